#include "tt/backend/device/torch_device.h"

#include <array>
#include <exception>
#include <limits>
#include <utility>

#include <c10/util/Exception.h>

#include "tt/backend/device/current_device.h"
#include "tt/backend/device/fork.h"
#include "tt/backend/device/runtime_choice.h"

namespace moe::tt::backend {
namespace {

// Readers take no lock; its devices are never destroyed, for tensors may outlive every static of this library.
std::array<std::atomic<OpenDevice*>, std::numeric_limits<c10::DeviceIndex>::max() + 1> opened;
std::mutex opening;
bool closed = false;

thread_local int deferred_checks = 0;

}  // namespace

DeferChecks::DeferChecks() {
  ++deferred_checks;
}

DeferChecks::~DeferChecks() {
  --deferred_checks;
}

OpenDevice::OpenDevice(c10::DeviceIndex index, std::unique_ptr<runtime::Device> device)
    : index_(index), device_(std::move(device)), memory_(index, *device_) {}

runtime::Device& OpenDevice::device() {
  check_not_forked();
  TORCH_CHECK(!closed_, "tt:", static_cast<int>(index_), " is closed, for the interpreter is exiting");
  return *device_;
}

void OpenDevice::add_check(std::function<void()> check) {
  const std::lock_guard lock(checks_mutex_);
  checks_.push_back(std::move(check));
}

void OpenDevice::synchronize() {
  device().synchronize();
  run_checks();
}

void OpenDevice::run_checks() {
  if (deferred_checks > 0) {
    return;
  }
  const std::lock_guard lock(checks_mutex_);
  const uint64_t launches = device_->num_launches();
  if (launches == checked_launches_) {
    return;
  }
  std::exception_ptr first;
  for (const auto& check : checks_) {
    try {
      check();
    } catch (...) {
      if (!first) {
        first = std::current_exception();
      }
    }
  }
  if (first) {
    // What they did not get to see, they see the next time.
    std::rethrow_exception(first);
  }
  checked_launches_ = launches;
}

void OpenDevice::close() noexcept {
  closed_ = true;
  memory_.abandon();
  device_->close();
}

OpenDevice& open_device(c10::DeviceIndex index) {
  check_not_forked();
  check_device_index(index);
  if (OpenDevice* device = opened[index]) {
    return *device;
  }
  const std::lock_guard lock(opening);
  if (OpenDevice* device = opened[index]) {
    return *device;
  }
  TORCH_CHECK(!closed, "cannot open tt:", static_cast<int>(index), ", for the interpreter is exiting");
  auto* device = new OpenDevice(index, chosen_runtime().open(index));
  opened[index] = device;
  watch_for_fork();
  return *device;
}

OpenDevice* find_open_device(c10::DeviceIndex index) noexcept {
  return index < 0 ? nullptr : opened[index].load();
}

OpenDevice* find_device_of(const void* address) noexcept {
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    OpenDevice* device = find_open_device(index);
    if (device != nullptr && device->memory().contains(address)) {
      return device;
    }
  }
  return nullptr;
}

std::vector<OpenDevice*> open_devices() {
  std::vector<OpenDevice*> devices;
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    if (OpenDevice* device = find_open_device(index)) {
      devices.push_back(device);
    }
  }
  return devices;
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
