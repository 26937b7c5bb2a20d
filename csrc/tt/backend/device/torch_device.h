#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "export.h"
#include "tt/backend/memory/caching_allocator.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// What launches kernels on one device and keeps what it needs for that.
class Launches {
 public:
  virtual ~Launches() = default;

  // Waits for what this thread has launched, throws the first error that its kernels left in device memory, and forgets
  // it.
  virtual void raise_error() = 0;

  // Waits for what was launched, and reports (see report_unraised()) each thread's first error that no wait has raised.
  virtual void report_errors() noexcept = 0;
};

// What PyTorch needs of one open device: the runtime's device, the memory of its tensors, and the errors that kernels
// leave behind. Opened at its first use, closed when the interpreter exits, never destroyed. Where ttnn lent it the
// chip and closes it, the next use opens another one in its place.
class TorchDevice {
 public:
  TorchDevice(c10::DeviceIndex index, std::unique_ptr<runtime::Device> device);

  c10::DeviceIndex index() const {
    return index_;
  }

  // Throws in a forked child, after close(), and in a backward pass while a thread captures: autograd runs the pass of
  // that thread on another one, which does not.
  void check_usable() const;

  // Checks that first.
  MOE_API runtime::Device& runtime_device();

  // Whether this thread captures a graph of launches on it.
  bool is_capturing() const {
    return device_->is_capturing();
  }

  DeviceCachingAllocator& caching_allocator() {
    return caching_allocator_;
  }

  // What launches kernels on this device, which the first call makes: there is one kind of them, the operators'. `make`
  // may allocate on the device; it may not launch or wait.
  Launches& launches(const std::function<std::unique_ptr<Launches>(TorchDevice&)>& make);

  // Raises the errors that this thread's kernels left. Belongs after a wait that the user asked for: synchronize(), or
  // a copy to the host. Not after a copy that is one step of an operator: an earlier launch's error would stop the
  // operator halfway (see DeferLaunchChecks).
  void check_launches();

  // Waits for everything enqueued so far, for a user, who may interrupt it (see wait_for_user()); within an
  // operator (see DeferLaunchChecks) it does nothing. Belongs before a read that the user asked for, which waits
  // without being interrupted. Raises no error of a launch.
  void wait();

  // Waits likewise, then checks the launches.
  void synchronize();

  // Waits until its queue takes more (see runtime::Device::wait_for_room()), for a user, who may interrupt it unless
  // within an operator (see DeferLaunchChecks). Belongs before what enqueues, outside of every lock.
  void wait_for_room();

  // Belongs before each write from the host, and is held during it. A write that must keep some of the device's bytes
  // reads them, changes the others and writes all back: without the lock, what another thread writes meanwhile would be
  // lost.
  [[nodiscard]] std::unique_lock<std::mutex> begin_write() {
    wait_for_room();
    return std::unique_lock(write_mutex_);
  }

  runtime::ChipUse chip_use() const {
    return device_->chip_use();
  }

  void close() noexcept;

 private:
  const c10::DeviceIndex index_;
  const std::unique_ptr<runtime::Device> device_;
  DeviceCachingAllocator caching_allocator_;
  std::atomic<bool> closed_ = false;
  std::atomic<bool> lost_ = false;  // when it was closed

  std::mutex write_mutex_;

  std::once_flag launches_made_;
  std::atomic<Launches*> launches_ = nullptr;  // never destroyed, as the device
};

// While it lives, wait() and check_launches() do nothing on this thread. For an operator of several steps, whose owner
// calls them itself, before and after.
class DeferLaunchChecks {
 public:
  DeferLaunchChecks();
  ~DeferLaunchChecks();
  DeferLaunchChecks(const DeferLaunchChecks&) = delete;
  DeferLaunchChecks& operator=(const DeferLaunchChecks&) = delete;
};

// Says an error on stderr that no wait has raised, for its thread has ended, or the process ends.
void report_unraised(const TorchDevice& device, const std::string& error) noexcept;

// The device, which the first call opens. Throws if it cannot be opened; the next call tries again.
MOE_API TorchDevice& open_device(c10::DeviceIndex index);

// Belong around the opening of a chip by other code of this process, as ttnn. The first one throws where a device here
// has opened its chip itself; until the second one no device opens here.
MOE_API void begin_opening_elsewhere();
MOE_API void end_opening_elsewhere();

// The device if it is open, else null. Opens nothing.
MOE_API TorchDevice* find_open_device(c10::DeviceIndex index) noexcept;

// The open device whose memory an address stands for, else null.
TorchDevice* find_device_of(const void* address) noexcept;

// Every open device.
std::vector<TorchDevice*> open_devices();

// Synchronizes a device if it is open; -1 is the current one.
MOE_API void synchronize_device(c10::DeviceIndex index);

// Closes every open device for good, without error. Freeing their memory later does nothing.
MOE_API void close_devices() noexcept;

}  // namespace moe::tt::backend
