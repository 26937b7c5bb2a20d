#include <torch/library.h>

#include "ops/prepare_mapping.h"

namespace moe::meta {

at::Tensor prepare_mapping_meta(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts, local_experts);
  return empty_mapping(routing_weights, num_experts, local_experts);
}

at::Tensor prepare_mapping_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping_backward(grad, selected_experts, num_experts, local_experts);
  return empty_prepare_mapping_backward(grad, selected_experts);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping_meta));
  m.impl(kPrepareMappingBackward, TORCH_FN(prepare_mapping_backward));
}

}  // namespace moe::meta
