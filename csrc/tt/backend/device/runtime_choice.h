#pragma once

#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// The runtime that TORCH_TT_RUNTIME names, made at the first call. Throws where it names none or none can be made; a
// later call tries again.
runtime::Runtime& chosen_runtime();

}  // namespace moe::tt::backend
