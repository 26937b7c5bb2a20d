#include <torch/library.h>

#include "ops/unpermute.h"

namespace moe::meta {

at::Tensor unpermute_meta(
    const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions) {
  check_unpermute(expert_outputs, routing_weights, positions);
  return empty_unpermuted(expert_outputs, positions);
}

at::Tensor unpermute_backward_expert_outputs(
    const at::Tensor& grad, const at::Tensor& routing_weights, const at::Tensor& positions, c10::SymInt num_rows) {
  check_unpermute_backward_expert_outputs(grad, routing_weights, positions, num_rows);
  return empty_unpermute_backward_expert_outputs(grad, num_rows);
}

at::Tensor unpermute_backward_routing_weights(
    const at::Tensor& grad,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  check_unpermute_backward_routing_weights(grad, expert_outputs, routing_weights, positions);
  return empty_unpermute_backward_routing_weights(routing_weights);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kUnpermute, TORCH_FN(unpermute_meta));
  m.impl(kUnpermuteBackwardExpertOutputs, TORCH_FN(unpermute_backward_expert_outputs));
  m.impl(kUnpermuteBackwardRoutingWeights, TORCH_FN(unpermute_backward_routing_weights));
}

}  // namespace moe::meta
