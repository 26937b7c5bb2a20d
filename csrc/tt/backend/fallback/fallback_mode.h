#pragma once

#include <string>

#include <ATen/core/dispatch/Dispatcher.h>

#include "export.h"

namespace moe::tt::backend {

// What becomes of an operator that has no kernel for tt: "silent" and "warn" run it on the CPU, "warn" with a warning
// at its first time, and "error" raises. At first it is what TORCH_TT_FALLBACK says, or "warn".
MOE_API std::string fallback_mode();

// Warnings start anew.
MOE_API void set_fallback_mode(const std::string& mode);

// Warns, raises or does nothing, as the mode says.
void announce_fallback(const c10::OperatorHandle& op);

}  // namespace moe::tt::backend
