#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <c10/core/Device.h>

#include "export.h"
#include "tt/backend/memory/caching_allocator.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// A device of this process, from its first use until the interpreter exits; never destroyed.
class OpenDevice {
 public:
  OpenDevice(c10::DeviceIndex index, std::unique_ptr<runtime::Device> device);

  c10::DeviceIndex index() const {
    return index_;
  }

  // Throws in a forked child and once the device is closed.
  MOE_API runtime::Device& device();

  MemoryCache& memory() {
    return memory_;
  }

  // What has to be looked at after launches, such as errors that kernels leave in device memory. What it throws
  // reaches the caller; it must clear what it reports. It waits by Device's own functions.
  void add_check(std::function<void()> check);

  // Runs the checks if anything was launched since they ran last. Comes after a wait that the user asked for: when
  // bytes have reached the host's memory, or in synchronize(). A copy that is only a step of something else must not
  // run them, for the error of what came before would stop it halfway.
  void run_checks();

  // Waits for everything enqueued, and runs the checks.
  void synchronize();

  // Held by who reads bytes of the device, changes some and writes them all back, and by every write from the host:
  // another thread's bytes between them must not be lost.
  std::mutex& writing() {
    return writing_;
  }

  void close() noexcept;

 private:
  const c10::DeviceIndex index_;
  const std::unique_ptr<runtime::Device> device_;
  MemoryCache memory_;
  std::atomic<bool> closed_ = false;

  std::mutex writing_;

  std::mutex checks_mutex_;
  std::vector<std::function<void()>> checks_;
  uint64_t checked_launches_ = 0;
};

// While it lives, this thread runs no checks: several steps are one operator. Whoever made it runs them afterwards.
class DeferChecks {
 public:
  DeferChecks();
  ~DeferChecks();
  DeferChecks(const DeferChecks&) = delete;
  DeferChecks& operator=(const DeferChecks&) = delete;
};

// The device, opened if this is its first use. Throws where that fails; the next call tries again.
MOE_API OpenDevice& open_device(c10::DeviceIndex index);

// The device if it was opened, else null. Opens nothing.
MOE_API OpenDevice* find_open_device(c10::DeviceIndex index) noexcept;

// The open device that an address of device memory belongs to, else null.
OpenDevice* find_device_of(const void* address) noexcept;

// Those that are open.
std::vector<OpenDevice*> open_devices();

// Closes what is open, for good. What still holds memory of a device frees it in vain.
MOE_API void close_devices() noexcept;

}  // namespace moe::tt::backend
