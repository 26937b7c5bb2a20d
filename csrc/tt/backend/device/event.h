#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <c10/core/Device.h>

#include "tt/backend/device/torch_device.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// A place in a device's queue, for PyTorch's events and its profiler. Of a device that was not open yet, it is a
// moment.
class Event {
 public:
  using Clock = std::chrono::steady_clock;

  // Records one. `timed` as runtime::Device::record() has it.
  Event(c10::DeviceIndex device, bool timed);

  c10::DeviceIndex device() const {
    return index_;
  }

  bool has_ended() const;

  // Waits for what was enqueued before, and raises no error of it.
  void wait() const;

  // Waits, and raises the errors of what ran before, unless more was launched behind it: to look for errors is to wait
  // for all. Then the next wait for all raises them.
  void synchronize() const;

  // When the queue came here, by the host's clock. Waits. Throws unless the event is a timed one.
  Clock::time_point time() const;

 private:
  const c10::DeviceIndex index_;
  const bool timed_;
  TorchDevice* const device_;  // null where it was not open
  uint64_t launches_ = 0;      // on the device until then
  std::shared_ptr<runtime::Event> place_;
  Clock::time_point recorded_;
};

}  // namespace moe::tt::backend
