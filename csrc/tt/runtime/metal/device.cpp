#include "tt/runtime/metal/device.h"

#include <tt-metalium/allocator.hpp>
#include <tt-metalium/distributed.hpp>
#include <tt-metalium/hal.hpp>
#include <tt-metalium/tensor_accessor_args.hpp>

#include "tt/runtime/check_range.h"
#include "tt/runtime/grid.h"
#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/program.h"

namespace moe::tt::runtime::metal {
namespace {

using metalium::BufferType;
using ::tt::tt_metal::CoreCoord;

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
      .l1_size = device.l1_size_per_core(),
      .dram_banks = banks,
      .dram_size = banks * uint64_t{allocator.get_bank_size(BufferType::DRAM)},
      .dram_alignment = allocator.get_alignment(BufferType::DRAM),
  };
}

}  // namespace

MetalDevice::MetalDevice(uint32_t index, std::shared_ptr<MeshDevice> device, std::string kernels)
    : mesh_(std::make_shared<Mesh>(index, std::move(device))), kernels_(std::move(kernels)) {
  try {
    mesh_->use(str("cannot ask Tenstorrent device ", index, " for its properties"), [&](MeshDevice& device) {
      properties_ = properties_of(device);
      limit_grid(properties_);
      for (uint32_t core = 0; core < properties_.num_cores(); ++core) {
        const CoreCoord noc =
            device.worker_core_from_logical_core({core % properties_.grid_x, core / properties_.grid_x});
        noc_coordinates_.emplace_back(noc.x, noc.y);
      }
    });
  } catch (...) {
    mesh_->close();
    throw;
  }
}

std::shared_ptr<Buffer> MetalDevice::allocate(uint64_t size, uint32_t page_size) {
  return std::make_shared<MetalBuffer>(mesh_, size, page_size);
}

void MetalDevice::write(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source) {
  mesh_->use(str("cannot write to metal device ", mesh_->index()), [&](MeshDevice& device) {
    own(buffer, offset, source.size()).write(device, offset, source);
  });
}

void MetalDevice::read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  mesh_->use(str("cannot read from metal device ", mesh_->index()), [&](MeshDevice& device) {
    own(buffer, offset, destination.size()).read(device, offset, destination);
  });
}

std::pair<uint32_t, uint32_t> MetalDevice::noc_coordinates(uint32_t core) const {
  if (core >= noc_coordinates_.size()) {
    throw DeviceError(
        str("noc_coordinates: expected a core below ", noc_coordinates_.size(), ", the size of the grid, got ", core));
  }
  return noc_coordinates_[core];
}

std::vector<uint32_t> MetalDevice::tensor_accessor_args() const {
  return metalium::TensorAccessorArgs::create_dram_interleaved().get_compile_time_args();
}

std::shared_ptr<Program> MetalDevice::build(const ProgramDescription& description) {
  return std::make_shared<MetalProgram>(mesh_, kernels_, properties_, description);
}

void MetalDevice::launch(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> buffers) {
  mesh_->use(str("cannot launch on metal device ", mesh_->index()), [&](MeshDevice& device) {
    const auto own_program = std::dynamic_pointer_cast<MetalProgram>(program);
    if (!own_program || &own_program->mesh() != mesh_.get()) {
      throw DeviceError(str("expected a program of metal device ", mesh_->index(), ", got one of another device"));
    }
    for (const auto& buffer : buffers) {
      own(buffer);
    }
    // The queue keeps the order: memory that is freed while the launch is in flight is next written after it.
    own_program->launch(device, common_args);
    ++num_launches_;
  });
}

void MetalDevice::synchronize() {
  mesh_->use(str("waiting for metal device ", mesh_->index()), [](MeshDevice& device) {
    metalium::distributed::Finish(device.mesh_command_queue());
  });
}

MetalBuffer& MetalDevice::own(const std::shared_ptr<Buffer>& buffer) const {
  auto* own = dynamic_cast<MetalBuffer*>(buffer.get());
  if (own == nullptr || &own->mesh() != mesh_.get()) {
    throw DeviceError(str("expected a buffer of metal device ", mesh_->index(), ", got one of another device"));
  }
  return *own;
}

MetalBuffer& MetalDevice::own(const std::shared_ptr<Buffer>& buffer, uint64_t offset, uint64_t size) const {
  auto& own = this->own(buffer);
  check_range(own, offset, size);
  return own;
}

}  // namespace moe::tt::runtime::metal
