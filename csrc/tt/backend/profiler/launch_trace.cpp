#include "tt/backend/profiler/launch_trace.h"

#include <atomic>
#include <mutex>
#include <utility>

#include <ATen/record_function.h>

namespace moe::tt::backend {
namespace {

std::atomic<bool> tracing = false;
std::mutex mutex;  // guards what is below
std::vector<TracedLaunch> launches;

// PyTorch's own callbacks push and pop in pairs, but a trace may begin or end between the two.
thread_local std::vector<uint64_t> operations;

}  // namespace

void begin_tracing() {
  const std::lock_guard lock(mutex);
  launches.clear();
  tracing = true;
}

void end_tracing() {
  tracing = false;
}

void enter_operation(uint64_t number) {
  operations.push_back(number);
}

void leave_operation() {
  if (!operations.empty()) {
    operations.pop_back();
  }
}

std::vector<TracedLaunch> take_traced_launches() {
  const std::lock_guard lock(mutex);
  return std::exchange(launches, {});
}

void trace_launch(c10::DeviceIndex device, const std::string& kernel, const std::function<void()>& launch) {
  RECORD_FUNCTION("tt::launch_" + kernel, {});
  const TorchDevice* const opened = find_open_device(device);
  // What is captured is launched by a replay, which is traced as one launch.
  if (!tracing || (opened != nullptr && opened->is_capturing())) {
    launch();
    return;
  }
  const Event begin(device, /*timed=*/true);
  launch();
  const Event end(device, /*timed=*/true);
  const std::lock_guard lock(mutex);
  launches.push_back({kernel, device, operations.empty() ? 0 : operations.back(), begin, end});
}

}  // namespace moe::tt::backend
