#include "tt/backend/device/runtime_choice.h"

#include <mutex>
#include <string>

#include <c10/util/Exception.h>

#include "tt/runtime/hardware.h"
#include "tt/runtime/plugin.h"
#include "tt/support/get_env.h"

namespace moe::tt::backend {
namespace {

std::unique_ptr<runtime::Runtime> make_runtime() {
  const std::string name = get_env("TORCH_TT_RUNTIME");
  TORCH_CHECK(
      name.empty() || name == "metal" || name == "emulated",
      "expected TORCH_TT_RUNTIME to be metal or emulated, got ",
      name);
  const bool has_chip = runtime::simulator_is_set() || runtime::count_device_files() > 0;
  if (name == "metal" || (name.empty() && runtime::has_metal_library() && has_chip)) {
    return runtime::make_metal_runtime();
  }
  return runtime::make_emulated_runtime();
}

}  // namespace

runtime::Runtime& chosen_runtime() {
  static std::mutex mutex;
  // Never destroyed, for devices may outlive every static of this library.
  static runtime::Runtime* made = nullptr;
  const std::lock_guard lock(mutex);
  if (made == nullptr) {
    made = make_runtime().release();
  }
  return *made;
}

}  // namespace moe::tt::backend
