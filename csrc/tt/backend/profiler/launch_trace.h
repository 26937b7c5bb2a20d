#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "tt/backend/device/event.h"

namespace moe::tt::backend {

// A launch while torch.profiler records: the places in the queue before and behind it.
struct TracedLaunch {
  std::string kernel;
  c10::DeviceIndex device;
  uint64_t operation;  // the profiler's number for the range that it is in; 0 if it is in none
  Event begin;
  Event end;
};

// What torch.profiler does with launches: it begins and ends to record, numbers the ranges that each thread is in, and
// takes what was launched.
void begin_tracing();
void end_tracing();
void enter_operation(uint64_t number);
void leave_operation();
std::vector<TracedLaunch> take_traced_launches();

// Makes a launch of a kernel, as a range of torch.profiler, and on the device's line of its trace.
void trace_launch(c10::DeviceIndex device, const std::string& kernel, const std::function<void()>& launch);

}  // namespace moe::tt::backend
