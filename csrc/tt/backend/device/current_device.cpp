#include "tt/backend/device/current_device.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include <c10/util/Exception.h>

#include "tt/backend/device/runtime_choice.h"

namespace moe::tt::backend {
namespace {

thread_local c10::DeviceIndex current = 0;

}  // namespace

c10::DeviceIndex device_count() noexcept {
  try {
    constexpr uint32_t kMost = std::numeric_limits<c10::DeviceIndex>::max();
    return static_cast<c10::DeviceIndex>(std::min(chosen_runtime().device_count(), kMost));
  } catch (const std::exception&) {
    // The first use of a device says why.
    return 0;
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

}  // namespace moe::tt::backend
