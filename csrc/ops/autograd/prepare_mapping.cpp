#include "ops/prepare_mapping.h"
#include "ops/autograd/choices_backward.h"

namespace moe::autograd {
namespace {

using PrepareMapping = at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&);

at::Tensor prepare_mapping_autograd(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts) {
  static const auto op = find_operator<PrepareMapping>(kPrepareMapping);
  static const auto derivative = find_operator<ChoicesDerivative>(kPrepareMappingBackward);
  check_no_forward_mode(kPrepareMapping, routing_weights);
  at::Tensor mapping = call_below(op, keys, selected_experts, routing_weights, num_experts, local_experts);
  set_choices_history(
      mapping, "PrepareMappingBackward", derivative, selected_experts, routing_weights, num_experts, local_experts);
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping_autograd));
  m.impl(kPrepareMappingBackward, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
