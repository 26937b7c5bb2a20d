#pragma once

#include <torch/library.h>

namespace moe::tt::backend {

// PyTorch gives its structured operators a kernel for devices without one: it allocates the outputs and calls the
// operator's variant that writes to them, which falls back. Registers tt's kernels for those operators that have none
// yet: they call it, and say what PyTorch does not. The library is one of PrivateUse1.
void register_composites(torch::Library& aten);

}  // namespace moe::tt::backend
