#include "tt/backend/device/devices.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <c10/util/Exception.h>

#include "tt/runtime/hardware.h"
#include "tt/runtime/plugin.h"
#include "tt/runtime/process.h"
#include "tt/support/environment.h"

namespace moe::tt::backend {
namespace {

thread_local c10::DeviceIndex current = 0;

std::atomic<bool> forked = false;

std::unique_ptr<runtime::Runtime> make_runtime() {
  const bool has_chip = runtime::simulator_is_set() || runtime::count_device_files() > 0;
  const char* const preferred = runtime::has_metal_library() && has_chip ? "metal" : "emulated";
  if (get_env_choice("TORCH_TT_RUNTIME", preferred, {"metal", "emulated"}) == "metal") {
    return runtime::make_metal_runtime();
  }
  return runtime::make_emulated_runtime();
}

}  // namespace

runtime::Runtime& chosen_runtime() {
  static std::mutex mutex;
  // Never destroyed: devices may outlive every static object of this library. Read without the lock, which a thread of
  // the parent may hold in a forked child.
  static std::atomic<runtime::Runtime*> made = nullptr;
  if (runtime::Runtime* const found = made) {
    return *found;
  }
  const std::lock_guard lock(mutex);
  if (made == nullptr) {
    made = make_runtime().release();
  }
  return *made;
}

c10::DeviceIndex device_count() noexcept {
  try {
    constexpr uint32_t kMost = std::numeric_limits<c10::DeviceIndex>::max();
    return static_cast<c10::DeviceIndex>(std::min(chosen_runtime().device_count(), kMost));
  } catch (const std::exception&) {
    return 0;  // check_device_index() throws the reason.
  }
}

void check_device_index(c10::DeviceIndex index) {
  chosen_runtime();
  const int count = device_count();
  TORCH_CHECK(
      index >= 0 && index < count,
      "expected the index of a tt device, from 0 to ",
      count - 1,
      ", got ",
      static_cast<int>(index),
      " with ",
      count,
      " tt device(s)");
}

c10::DeviceIndex current_device() noexcept {
  return current;
}

c10::DeviceIndex exchange_current_device(c10::DeviceIndex index) noexcept {
  return std::exchange(current, index);
}

c10::DeviceIndex device_index_or_current(c10::DeviceIndex index) {
  if (index == -1) {
    return current_device();
  }
  check_device_index(index);
  return index;
}

// The runtimes compare process ids (runtime::Process). This flag comes before them on every path from PyTorch and costs
// no system call.
void watch_for_fork() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { forked = true; }); });
}

bool in_bad_fork() noexcept {
  return forked;
}

void check_not_forked() {
  TORCH_CHECK(!in_bad_fork(), runtime::kUsedAfterFork);
}

}  // namespace moe::tt::backend
