#include <torch/library.h>

#include "ops/autograd/not_implemented.h"
#include "ops/prepare_routing.h"

namespace moe::autograd {
namespace {

const at::Tensor& weights_of(const RoutingOutputs& routing) {
  return std::get<2>(routing);
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareRouting, TORCH_FN((not_implemented<RoutingOutputs, kPrepareRouting, weights_of>)));
}

}  // namespace moe::autograd
