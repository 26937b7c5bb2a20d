#include <mutex>
#include <optional>
#include <unordered_set>

#include <c10/util/Exception.h>

#include "tt/backend/fallback/fallback.h"
#include "tt/support/environment.h"

namespace moe::tt::backend {
namespace {

struct State {
  std::mutex mutex;
  std::optional<std::string> mode;
  std::unordered_set<std::string> warned;
};

State& state() {
  static auto* const instance = new State;
  return *instance;
}

const std::string& locked_mode(State& state) {
  if (!state.mode) {
    state.mode = get_env_choice("TORCH_TT_FALLBACK", "warn", {"silent", "warn", "error"});
  }
  return *state.mode;
}

}  // namespace

std::string fallback_mode() {
  const std::lock_guard lock(state().mutex);
  return locked_mode(state());
}

void set_fallback_mode(const std::string& mode) {
  TORCH_CHECK_VALUE(
      mode == "silent" || mode == "warn" || mode == "error",
      "expected the fallback mode to be silent, warn or error, got ",
      mode);
  const std::lock_guard lock(state().mutex);
  state().mode = mode;
  state().warned.clear();
}

void warn_or_raise_fallback(const c10::OperatorHandle& op) {
  const std::string name = c10::toString(op.operator_name());
  bool first;
  {
    const std::lock_guard lock(state().mutex);
    const std::string& mode = locked_mode(state());
    TORCH_CHECK_NOT_IMPLEMENTED(
        mode != "error",
        name,
        " has no kernel for tt, and the fallback to the CPU is off. Move its tensors to the CPU, or call "
        "torch.tt.set_fallback_mode(\"warn\")");
    first = mode == "warn" && state().warned.insert(name).second;
  }
  if (first) {
    TORCH_WARN(
        name,
        " has no kernel for tt and runs on the CPU, with copies there and back. This is said once per operator; "
        "torch.tt.set_fallback_mode(\"silent\") or TORCH_TT_FALLBACK=silent silences it");
  }
}

}  // namespace moe::tt::backend
