#include "tt/backend/device/event.h"

#include <c10/util/Exception.h>

#include "tt/backend/device/interrupts.h"

namespace moe::tt::backend {

using runtime::Meanwhile;

Event::Event(c10::DeviceIndex device, bool timed) : index_(device), timed_(timed), device_(find_open_device(device)) {
  if (device_ != nullptr) {
    // In this order: a launch of another thread in between is counted as one behind the event.
    launches_ = device_->runtime_device().num_launches();
    // A timed one may be waited for.
    wait_for_user([&](const Meanwhile& meanwhile) { place_ = device_->runtime_device().record(timed, meanwhile); });
  }
  recorded_ = Clock::now();
}

bool Event::has_ended() const {
  return device_ == nullptr || device_->runtime_device().query(place_);
}

void Event::wait() const {
  if (device_ != nullptr) {
    wait_for_user([this](const Meanwhile& meanwhile) { device_->runtime_device().wait(place_, meanwhile); });
  }
}

void Event::synchronize() const {
  wait();
  if (device_ != nullptr && device_->runtime_device().num_launches() == launches_) {
    device_->synchronize();
  }
}

Event::Clock::time_point Event::time() const {
  TORCH_CHECK(timed_, "expected an event that measures time, got one made without torch.Event(enable_timing=True)");
  Clock::time_point time = recorded_;
  if (device_ != nullptr) {
    wait_for_user([&](const Meanwhile& meanwhile) { time = device_->runtime_device().time_of(place_, meanwhile); });
  }
  return time;
}

}  // namespace moe::tt::backend
