#include "tt/runtime/metal/device.h"

#include <chrono>
#include <cstdlib>
#include <limits>
#include <thread>

#include <tt-metalium/allocator.hpp>
#include <tt-metalium/distributed.hpp>
#include <tt-metalium/hal.hpp>
#include <tt-metalium/tensor_accessor_args.hpp>

#include "tt/runtime/grid.h"
#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/event.h"
#include "tt/runtime/metal/program.h"
#include "tt/support/environment.h"

namespace moe::tt::runtime::metal {
namespace {

using metalium::BufferType;
using metalium::CoreCoord;

std::string name_of(const std::string& architecture) {
  const std::string chip = architecture == "wormhole_b0" ? "Wormhole"
                           : architecture == "blackhole" ? "Blackhole"
                                                         : architecture;
  return (simulator_is_set() ? "Simulated " : "Tenstorrent ") + chip;
}

DeviceProperties properties_of(MeshDevice& device) {
  const CoreCoord grid = device.compute_with_storage_grid_size();
  const metalium::Allocator& allocator = *device.allocator();
  const uint32_t banks = allocator.get_num_banks(BufferType::DRAM);
  const std::string architecture = metalium::hal::get_arch_name();
  return {
      .runtime = "metal",
      .name = name_of(architecture),
      .architecture = architecture,
      .grid_x = static_cast<uint32_t>(grid.x),
      .grid_y = static_cast<uint32_t>(grid.y),
      // What ttnn was told to set apart is at the end, and its owner's alone.
      .l1_size = device.l1_size_per_core() - static_cast<uint32_t>(allocator.get_bank_size(BufferType::L1_SMALL)),
      .l1_unreserved = static_cast<uint32_t>(allocator.get_base_allocator_addr(metalium::HalMemType::L1)),
      .dram_banks = banks,
      .dram_size = banks * uint64_t{allocator.get_bank_size(BufferType::DRAM)},
      .dram_alignment = allocator.get_alignment(BufferType::DRAM),
  };
}

// How long TT-Metalium waits for a chip.
std::chrono::duration<double> operation_timeout() {
  const double seconds = std::strtod(get_env("TT_METAL_OPERATION_TIMEOUT_SECONDS").c_str(), nullptr);
  return std::chrono::duration<double>(seconds > 0 ? seconds : std::numeric_limits<double>::infinity());
}

}  // namespace

MetalDevice::MetalDevice(uint32_t index, ChipMesh mesh, std::string kernels)
    : Device(index), chip_(std::make_shared<OpenChip>(index, std::move(mesh))), kernels_(std::move(kernels)) {
  try {
    chip_->use(str("cannot ask Tenstorrent device ", index, " for its properties"), [&](MeshDevice& device) {
      properties_ = properties_of(device);
      apply_grid_variable(properties_);
      for (uint32_t core = 0; core < properties_.num_cores(); ++core) {
        const CoreCoord noc =
            device.worker_core_from_logical_core({core % properties_.grid_x, core / properties_.grid_x});
        noc_coordinates_.emplace_back(noc.x, noc.y);
      }
    });
  } catch (...) {
    chip_->close();
    throw;
  }
}

std::shared_ptr<Buffer> MetalDevice::do_allocate(uint64_t size, uint32_t page_size) {
  return std::make_shared<MetalBuffer>(chip_, size, page_size);
}

std::shared_ptr<Buffer> MetalDevice::do_view(uint32_t address, uint64_t size, uint32_t page_size) {
  return std::make_shared<MetalBuffer>(chip_, address, size, page_size);
}

void MetalDevice::do_write(
    const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) {
  chip_->use(str("cannot write to metal device ", chip_->index()), [&](MeshDevice& device) {
    static_cast<MetalBuffer&>(*buffer).write(device, offset, source, rest);
    ++enqueued_;
  });
}

void MetalDevice::do_read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  chip_->use(str("cannot read from metal device ", chip_->index()), [&](MeshDevice& device) {
    static_cast<MetalBuffer&>(*buffer).read(device, offset, destination);
  });
}

std::pair<uint32_t, uint32_t> MetalDevice::do_noc_coordinates(uint32_t core) const {
  return noc_coordinates_[core];
}

std::vector<uint32_t> MetalDevice::tensor_accessor_args() const {
  return metalium::TensorAccessorArgs::create_dram_interleaved().get_compile_time_args();
}

std::shared_ptr<Program> MetalDevice::do_build(const ProgramDescription& description) {
  return std::make_shared<MetalProgram>(chip_, kernels_, properties_, description);
}

void MetalDevice::do_launch(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> /*buffers*/) {
  chip_->use(str("cannot launch on metal device ", chip_->index()), [&](MeshDevice& device) {
    // The queue keeps the order: memory that is freed while the launch is in flight is next written after it.
    static_cast<MetalProgram&>(*program).launch(device, common_args);
    ++enqueued_;
  });
}

void MetalDevice::do_synchronize() {
  chip_->use(str("waiting for metal device ", chip_->index()), [&](MeshDevice& device) {
    metalium::distributed::Finish(device.mesh_command_queue());
    ended_ = enqueued_.load();  // Nothing is enqueued meanwhile: use() lets one in at a time.
  });
}

std::shared_ptr<Event> MetalDevice::do_record(bool timed) {
  auto event = std::make_shared<MetalEvent>(chip_);
  chip_->use(str("cannot record an event on metal device ", chip_->index()), [&](MeshDevice& device) {
    auto& queue = device.mesh_command_queue();
    const auto place = queue.enqueue_record_event_to_host();
    // Slow dispatch counts no events: it gives out 0, which is done whatever the cores do.
    if (timed || !is_counted(place)) {
      metalium::distributed::Finish(queue);
    } else {
      event->place = place;
    }
  });
  if (timed) {
    event->time = std::chrono::steady_clock::now();
  }
  return event;
}

bool MetalDevice::do_query(const Event& event) {
  const auto& place = static_cast<const MetalEvent&>(event).place;
  return chip_->use(str("cannot query an event of metal device ", chip_->index()), [&](MeshDevice&) {
    return !place || metalium::distributed::EventQuery(*place);
  });
}

// A new event at each call would always be under way; the last one serves until more is enqueued.
bool MetalDevice::do_query() {
  const std::lock_guard lock(marker_mutex_);
  const uint64_t enqueued = enqueued_;
  if (enqueued == ended_) {
    return true;
  }
  if (marker_ == nullptr || marked_ != enqueued) {
    marker_ = do_record(false);
    marked_ = enqueued;
  }
  return do_query(*marker_);
}

// Not EventSynchronize(), which would keep other threads from the chip and never ends if the chip does not answer.
void MetalDevice::do_wait(const Event& event) {
  const auto begin = std::chrono::steady_clock::now();
  while (!do_query(event)) {
    if (std::chrono::steady_clock::now() - begin > operation_timeout()) {
      do_synchronize();  // throws what TT-Metalium has found meanwhile
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

DramUsage MetalDevice::do_dram_usage() {
  return chip_->use(str("cannot ask metal device ", chip_->index(), " for its memory"), [](MeshDevice& device) {
    return dram_usage_of(*device.allocator());
  });
}

}  // namespace moe::tt::runtime::metal
