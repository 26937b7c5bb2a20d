#include <torch/library.h>

#include "ops/autograd/not_implemented.h"
#include "ops/prepare_mapping.h"

namespace moe::autograd {
namespace {

const at::Tensor& weights_of(const at::Tensor& mapping) {
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareMapping, TORCH_FN((not_implemented<at::Tensor, kPrepareMapping, weights_of>)));
}

}  // namespace moe::autograd
