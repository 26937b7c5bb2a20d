#include "tt/torch/runtime_choice.h"

#include <mutex>
#include <string>

#include <c10/util/Exception.h>

#include "tt/runtime/chips.h"
#include "tt/runtime/environment.h"
#include "tt/runtime/metal_library.h"

namespace moe::tt {
namespace {

std::unique_ptr<Runtime> make_runtime() {
  const std::string name = environment("TORCH_TT_RUNTIME");
  TORCH_CHECK(
      name.empty() || name == "metal" || name == "emulated",
      "expected TORCH_TT_RUNTIME to be metal or emulated, got ",
      name);
  const bool has_chip = simulator_is_set() || count_device_files() > 0;
  if (name == "metal" || (name.empty() && has_metal_library() && has_chip)) {
    return make_metal_runtime();
  }
  return make_emulated_runtime();
}

}  // namespace

Runtime& runtime() {
  static std::mutex mutex;
  // Never destroyed, for devices may outlive every static of this library.
  static Runtime* made = nullptr;
  const std::lock_guard lock(mutex);
  if (made == nullptr) {
    made = make_runtime().release();
  }
  return *made;
}

}  // namespace moe::tt
