#include <torch/library.h>

#include "ops/prepare_routing.h"

namespace moe::meta {

RoutingOutputs prepare_routing_meta(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<c10::SymInt> max_tokens) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, local_experts, max_tokens);
  return empty_routing(routing_weights, num_experts, local_experts, max_tokens);
}

at::Tensor prepare_routing_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_routing_backward(grad, selected_experts, num_experts, local_experts);
  return empty_prepare_routing_backward(grad, selected_experts);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing_meta));
  m.impl(kPrepareRoutingBackward, TORCH_FN(prepare_routing_backward));
}

}  // namespace moe::meta
