#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>

#include "tt/backend/aten/operators.h"
#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/generator.h"
#include "tt/backend/register.h"

namespace moe::tt::backend {
namespace {

// What PyTorch asks of a device from outside, beyond its kernels, its allocator and its guard.
class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  // Opens nothing: the first use of a device opens it.
  void init() const override {
    check_not_forked();
  }

  bool isBuilt() const override {
    return true;
  }

  bool isAvailable() const override {
    return device_count() > 0;
  }

  bool hasPrimaryContext(c10::DeviceIndex index) const override {
    return !in_bad_fork() && find_open_device(index) != nullptr;
  }

  c10::DeviceIndex deviceCount() const override {
    return device_count();
  }

  void setCurrentDevice(c10::DeviceIndex index) const override {
    exchangeDevice(index);
  }

  c10::DeviceIndex getCurrentDevice() const override {
    return current_device();
  }

  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    check_device_index(index);
    return exchange_current_device(index);
  }

  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override {
    return index < 0 ? current_device() : exchangeDevice(index);
  }

  // A copy to the device has taken the bytes when it returns, so pinned memory would gain nothing. pin_memory(), which
  // a DataLoader calls, makes a plain copy, and is_pinned() stays false.
  bool isPinnedPtr(const void*) const override {
    return false;
  }

  at::Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();
  }

  at::Device getDeviceFromPtr(void* address) const override {
    const TorchDevice* device = find_device_of(address);
    TORCH_CHECK(device != nullptr, "expected an address of tt memory, got ", address);
    return {c10::kPrivateUse1, device->index()};
  }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex index) const override {
    return default_generator(index);
  }

  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return make_generator(index);
  }

  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t size) const override {
    resize_storage(*storage.unsafeGetStorageImpl(), size);
  }
};

}  // namespace

at::PrivateUse1HooksInterface* hooks() {
  static auto* const instance = new Hooks;
  return instance;
}

}  // namespace moe::tt::backend
