#include "tt/torch/runtime_choice.h"

#include <cstdlib>
#include <mutex>
#include <string_view>

#include <c10/util/Exception.h>

namespace moe::tt {
namespace {

std::unique_ptr<Runtime> make_runtime() {
  const char* variable = std::getenv("TORCH_TT_RUNTIME");
  const std::string_view name = variable == nullptr || *variable == '\0' ? "emulated" : variable;
  TORCH_CHECK(
      name != "metal",
      "TORCH_TT_RUNTIME=metal: this build of torch_moe_ttnn has no metal runtime. Unset the variable, or set it to "
      "emulated, for the emulated device");
  TORCH_CHECK(name == "emulated", "expected TORCH_TT_RUNTIME to be metal or emulated, got ", name);
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
