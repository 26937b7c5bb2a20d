#include "tt/runtime/emulated/device.h"

#include <utility>
#include <vector>

#include "api/tensor/tensor_accessor_args.h"
#include "tt/runtime/check_range.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

EmulatedDevice::EmulatedDevice(Chip chip, uint32_t index)
    : chip_(std::move(chip)),
      index_(index),
      dram_(std::make_shared<Dram>(chip_)),
      runner_(std::make_unique<ProgramRunner>(chip_, *dram_, traffic_)),
      queue_(std::make_unique<CommandQueue>()) {}

EmulatedDevice::~EmulatedDevice() {
  close();
}

std::shared_ptr<Buffer> EmulatedDevice::allocate(uint64_t size, uint32_t page_size) {
  queue();
  return dram_->allocate(size, page_size);
}

void EmulatedDevice::write(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source) {
  CommandQueue& queue = this->queue();
  auto target = own(buffer, offset, source.size());
  if (queue.try_run([&] { target->dram()->write(*target, offset, source); })) {
    return;
  }
  queue.enqueue([target, offset, copy = std::vector<std::byte>(source.begin(), source.end())] {
    target->dram()->write(*target, offset, copy);
  });
}

void EmulatedDevice::read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  CommandQueue& queue = this->queue();
  auto source = own(buffer, offset, destination.size());
  queue.run([&] { source->dram()->read(*source, offset, destination); });
}

std::pair<uint32_t, uint32_t> EmulatedDevice::noc_coordinates(uint32_t core) const {
  if (core >= chip_.properties.num_cores()) {
    throw DeviceError(str(
        "noc_coordinates: expected a core below ", chip_.properties.num_cores(), ", the size of the grid, got ", core));
  }
  auto [x, y] = chip_.noc(core);
  return {x, y};
}

std::vector<uint32_t> EmulatedDevice::tensor_accessor_args() const {
  return {TensorAccessorArgs<0>::kInterleavedDram, 0};
}

std::shared_ptr<Program> EmulatedDevice::build(const ProgramDescription& description) {
  queue();
  return std::make_shared<EmulatedProgram>(chip_, dram_, description);
}

void EmulatedDevice::launch(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> buffers) {
  CommandQueue& queue = this->queue();
  auto own_program = std::dynamic_pointer_cast<EmulatedProgram>(program);
  if (!own_program || own_program->device() != dram_.get()) {
    throw DeviceError(str("expected a program of emulated device ", index_, ", got one of another device"));
  }
  check_runtime_args(own_program->description().name, own_program->max_runtime_args(), common_args.size());
  std::vector<std::shared_ptr<DramBuffer>> own_buffers;
  for (const auto& buffer : buffers) {
    own_buffers.push_back(own(buffer));
  }
  queue.enqueue([runner = runner_.get(),
                 own_program = std::move(own_program),
                 common_args = std::vector<uint32_t>(common_args.begin(), common_args.end()),
                 own_buffers = std::move(own_buffers)] { runner->run(*own_program, common_args, own_buffers); });
  ++num_launches_;
}

void EmulatedDevice::synchronize() {
  queue().wait();
}

void EmulatedDevice::close() noexcept {
  if (!queue_) {
    return;
  }
  if (!process_.is_current()) {
    // Their threads are not here to be joined.
    queue_.release();
    runner_.release();
    return;
  }
  queue_.reset();
  runner_.reset();
  dram_->close();
}

CommandQueue& EmulatedDevice::queue() const {
  process_.require_current();
  if (!queue_) {
    throw DeviceError(str("emulated device ", index_, " is closed; nothing of it can be used any more"));
  }
  return *queue_;
}

std::shared_ptr<DramBuffer> EmulatedDevice::own(const std::shared_ptr<Buffer>& buffer) const {
  auto own = std::dynamic_pointer_cast<DramBuffer>(buffer);
  if (!own || own->dram() != dram_.get()) {
    throw DeviceError(str("expected a buffer of emulated device ", index_, ", got one of another device"));
  }
  return own;
}

std::shared_ptr<DramBuffer> EmulatedDevice::own(
    const std::shared_ptr<Buffer>& buffer, uint64_t offset, uint64_t size) const {
  auto own = this->own(buffer);
  check_range(*own, offset, size);
  return own;
}

}  // namespace moe::tt::runtime::emulated
