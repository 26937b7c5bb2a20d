#include "tt/backend/memory/allocator.h"

#include "tt/backend/device/current_device.h"
#include "tt/backend/device/fork.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt::backend {
namespace {

void free_memory(void* address) {
  if (in_bad_fork()) {
    return;  // Another thread of the parent may have held a lock on the way.
  }
  if (OpenDevice* device = find_device_of(address)) {
    device->memory().free(address);
  }
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::DeviceIndex index = current_device();
    void* address = nullptr;
    if (bytes > 0) {
      OpenDevice& device = open_device(index);
      device.device();
      address = device.memory().allocate(bytes);
    }
    return {address, address, &free_memory, c10::Device(c10::kPrivateUse1, index)};
  }

  c10::DeleterFnPtr raw_deleter() const override {
    return &free_memory;
  }

  void copy_data(void* destination, const void* source, size_t size) const override {
    copy_bytes(source, destination, size);
  }

  bool initialized() override {
    return !open_devices().empty();
  }

  void emptyCache(c10::MempoolId_t) override {
    check_not_forked();
    for (OpenDevice* device : open_devices()) {
      device->memory().empty();
    }
  }

  // One in-order queue a device: no other stream can still be using what is freed.
  void recordStream(const c10::DataPtr&, c10::Stream) override {}

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    OpenDevice* device = find(index);
    return device == nullptr ? c10::CachingDeviceAllocator::DeviceStats{} : device->memory().stats();
  }

  void resetAccumulatedStats(c10::DeviceIndex index) override {
    if (OpenDevice* device = find(index)) {
      device->memory().reset_accumulated_stats();
    }
  }

  void resetPeakStats(c10::DeviceIndex index) override {
    if (OpenDevice* device = find(index)) {
      device->memory().reset_peak_stats();
    }
  }

  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    return open_device(index).memory().free_and_total();
  }

 private:
  static OpenDevice* find(c10::DeviceIndex index) {
    check_not_forked();
    check_device_index(index);
    return find_open_device(index);
  }
};

}  // namespace

c10::DeviceAllocator* allocator() {
  static auto* const instance = new Allocator;
  return instance;
}

}  // namespace moe::tt::backend
