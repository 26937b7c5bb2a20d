#include "tt/backend/device/torch_device.h"

#include <array>
#include <limits>
#include <utility>

#include <c10/util/Exception.h>

#include "tt/backend/device/devices.h"

namespace moe::tt::backend {
namespace {

// Read without a lock. The devices are never destroyed: tensors may outlive every static object of this library.
std::array<std::atomic<TorchDevice*>, std::numeric_limits<c10::DeviceIndex>::max() + 1> opened;
std::mutex opening;
bool closed = false;

thread_local int deferred_launch_checks = 0;

}  // namespace

DeferLaunchChecks::DeferLaunchChecks() {
  ++deferred_launch_checks;
}

DeferLaunchChecks::~DeferLaunchChecks() {
  --deferred_launch_checks;
}

TorchDevice::TorchDevice(c10::DeviceIndex index, std::unique_ptr<runtime::Device> device)
    : index_(index), device_(std::move(device)), caching_allocator_(index, *device_) {}

void TorchDevice::check_usable() const {
  check_not_forked();
  TORCH_CHECK(!closed_, "tt:", static_cast<int>(index_), " is closed, for the interpreter is exiting");
}

runtime::Device& TorchDevice::runtime_device() {
  check_usable();
  return *device_;
}

Launches& TorchDevice::launches(const std::function<std::unique_ptr<Launches>(TorchDevice&)>& make) {
  std::call_once(launches_made_, [&] { launches_ = make(*this).release(); });
  return *launches_;
}

void TorchDevice::synchronize() {
  runtime_device().synchronize();
  check_launches();
}

void TorchDevice::check_launches() {
  if (deferred_launch_checks > 0) {
    return;
  }
  const std::lock_guard lock(check_mutex_);
  const uint64_t launches = device_->num_launches();
  if (launches == checked_launches_) {
    return;
  }
  if (Launches* const made = launches_) {
    made->raise_error();  // If it throws, the next call checks again.
  }
  checked_launches_ = launches;
}

void TorchDevice::close() noexcept {
  closed_ = true;
  caching_allocator_.abandon();
  device_->close();
}

TorchDevice& open_device(c10::DeviceIndex index) {
  check_not_forked();
  check_device_index(index);
  if (TorchDevice* device = opened[index]) {
    return *device;
  }
  const std::lock_guard lock(opening);
  if (TorchDevice* device = opened[index]) {
    return *device;
  }
  TORCH_CHECK(!closed, "cannot open tt:", static_cast<int>(index), ", for the interpreter is exiting");
  auto* device = new TorchDevice(index, chosen_runtime().open(index));
  opened[index] = device;
  watch_for_fork();
  return *device;
}

TorchDevice* find_open_device(c10::DeviceIndex index) noexcept {
  return index < 0 ? nullptr : opened[index].load();
}

TorchDevice* find_device_of(const void* address) noexcept {
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    TorchDevice* device = find_open_device(index);
    if (device != nullptr && device->caching_allocator().contains(address)) {
      return device;
    }
  }
  return nullptr;
}

std::vector<TorchDevice*> open_devices() {
  std::vector<TorchDevice*> devices;
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    if (TorchDevice* device = find_open_device(index)) {
      devices.push_back(device);
    }
  }
  return devices;
}

void synchronize_device(c10::DeviceIndex index) {
  if (TorchDevice* device = find_open_device(device_index_or_current(index))) {
    device->synchronize();
  }
}

void close_devices() noexcept {
  if (in_bad_fork()) {
    return;  // They are the parent's.
  }
  const std::lock_guard lock(opening);
  closed = true;
  for (auto& device : opened) {
    if (device != nullptr) {
      device.load()->close();
    }
  }
}

}  // namespace moe::tt::backend
