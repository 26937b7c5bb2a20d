#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>

#include "schema/names.h"

// The operators are for inference: their outputs may require a gradient, but asking for it raises.
TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(moe::kPrepareMapping, torch::autograd::autogradNotImplementedFallback());
  m.impl(moe::kPrepareRouting, torch::autograd::autogradNotImplementedFallback());
}
