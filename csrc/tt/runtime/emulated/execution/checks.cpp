#include "tt/runtime/emulated/execution/checks.h"

#include "tt/support/environment.h"

namespace moe::tt::runtime::emulated {

namespace {

constexpr uint64_t kTimeLimit = 600;
constexpr uint64_t kLongestTimeLimit = 7 * 24 * 3600;

}  // namespace

Checks checks_from_environment() {
  return {
      get_env_choice("TORCH_TT_EMULATED_CHECKS", "some", {"some", "all"}) == "all",
      std::chrono::seconds(get_env_number("TORCH_TT_EMULATED_TIMEOUT", kTimeLimit, 1, kLongestTimeLimit, "seconds"))};
}

}  // namespace moe::tt::runtime::emulated
