#include "tt/runtime/emulated/device.h"

#include <utility>
#include <vector>

#include "tt/runtime/emulated/text.h"

namespace moe::tt::emulated {

EmulatedDevice::EmulatedDevice(Chip chip, uint32_t index)
    : chip_(std::move(chip)), index_(index), dram_(std::make_shared<Dram>(chip_)), queue_(std::make_unique<Queue>()) {}

EmulatedDevice::~EmulatedDevice() {
  close();
}

std::shared_ptr<Buffer> EmulatedDevice::allocate(uint64_t size, uint32_t page_size) {
  queue();
  return dram_->allocate(size, page_size);
}

void EmulatedDevice::write(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source) {
  Queue& queue = this->queue();
  auto target = checked(buffer, offset, source.size());
  if (queue.try_run([&] { target->dram()->write(*target, offset, source); })) {
    return;
  }
  queue.enqueue([target, offset, copy = std::vector<std::byte>(source.begin(), source.end())] {
    target->dram()->write(*target, offset, copy);
  });
}

void EmulatedDevice::read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  Queue& queue = this->queue();
  auto source = checked(buffer, offset, destination.size());
  queue.run([&] { source->dram()->read(*source, offset, destination); });
}

std::pair<uint32_t, uint32_t> EmulatedDevice::noc_coordinates(uint32_t core) const {
  if (core >= chip_.properties.num_cores()) {
    throw DeviceError(text(
        "noc_coordinates: expected a core below ", chip_.properties.num_cores(), ", the size of the grid, got ", core));
  }
  auto [x, y] = chip_.noc(core);
  return {x, y};
}

std::shared_ptr<Program> EmulatedDevice::build(const ProgramDescription&) {
  throw DeviceError("launches are not implemented yet");
}

void EmulatedDevice::launch(
    const std::shared_ptr<Program>&, std::span<const uint32_t>, std::span<const std::shared_ptr<Buffer>>) {
  throw DeviceError("launches are not implemented yet");
}

void EmulatedDevice::synchronize() {
  queue().wait();
}

void EmulatedDevice::close() noexcept {
  if (!queue_) {
    return;
  }
  if (!process_.is_current()) {
    queue_.release();  // its thread is not here to be joined
    return;
  }
  queue_.reset();
  dram_->close();
}

Queue& EmulatedDevice::queue() const {
  process_.require_current();
  if (!queue_) {
    throw DeviceError(text("emulated device ", index_, " is closed; nothing of it can be used any more"));
  }
  return *queue_;
}

std::shared_ptr<DramBuffer> EmulatedDevice::checked(
    const std::shared_ptr<Buffer>& buffer, uint64_t offset, uint64_t size) const {
  auto own = std::dynamic_pointer_cast<DramBuffer>(buffer);
  if (!own || own->dram() != dram_.get()) {
    throw DeviceError(text("expected a buffer of emulated device ", index_, ", got one of another device"));
  }
  if (offset > own->size() || size > own->size() - offset) {
    throw DeviceError(
        text("expected a range inside the buffer's ", own->size(), " bytes, got ", size, " bytes from byte ", offset));
  }
  return own;
}

}  // namespace moe::tt::emulated
