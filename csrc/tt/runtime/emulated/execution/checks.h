#pragma once

#include <chrono>

namespace moe::tt::runtime::emulated {

// How much the device looks at what kernels do, beyond the rules that it checks in any case.
struct Checks {
  // What each byte of L1 and of DRAM holds, at every access: see access_rules.h.
  bool all;
  // How long a launch may take.
  std::chrono::seconds time_limit;
};

// Takes TORCH_TT_EMULATED_CHECKS (some, all) and TORCH_TT_EMULATED_TIMEOUT (seconds). Throws EnvironmentError.
Checks checks_from_environment();

}  // namespace moe::tt::runtime::emulated
