#include "tt/backend/hooks.h"

#include <c10/core/CPUAllocator.h>

#include "tt/backend/device/current_device.h"
#include "tt/backend/device/fork.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/generator.h"
#include "tt/backend/memory/storage.h"

namespace moe::tt::backend {
namespace {

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  // Opens nothing: which device is wanted is known only at its first use.
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

  // Copies take the bytes before they return, so that no memory has to be pinned for them: pin_memory gives a plain
  // copy, as a DataLoader asks for it, and nothing says that it is pinned.
  bool isPinnedPtr(const void*) const override {
    return false;
  }

  at::Allocator* getPinnedMemoryAllocator() const override {
    return c10::GetCPUAllocator();
  }

  at::Device getDeviceFromPtr(void* address) const override {
    const OpenDevice* device = find_device_of(address);
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
