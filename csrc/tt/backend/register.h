#pragma once

#include "export.h"

namespace moe::tt::backend {

// Makes tt known to PyTorch: kernels, allocator, guard, hooks and the name. Throws where another backend has taken
// PyTorch's one place for a device from outside. Opens nothing.
MOE_API void register_backend();

}  // namespace moe::tt::backend
