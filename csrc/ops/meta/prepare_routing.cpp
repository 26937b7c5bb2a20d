#include <torch/library.h>

#include "ops/prepare_routing.h"

namespace moe::meta {

RoutingOutputs prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, c10::SymInt num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts);
  return empty_routing(routing_weights, num_experts);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
}

}  // namespace moe::meta
