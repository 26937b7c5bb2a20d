#include "ops/prepare_routing.h"
#include "ops/autograd/choices_backward.h"

namespace moe::autograd {
namespace {

using PrepareRouting = RoutingOutputs(
    const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&, std::optional<c10::SymInt>);

RoutingOutputs prepare_routing_autograd(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<c10::SymInt> max_tokens) {
  static const auto op = find_operator<PrepareRouting>(kPrepareRouting);
  static const auto derivative = find_operator<ChoicesDerivative>(kPrepareRoutingBackward);
  check_no_forward_mode(kPrepareRouting, routing_weights);
  RoutingOutputs routing =
      call_below(op, keys, selected_experts, routing_weights, num_experts, local_experts, std::move(max_tokens));
  set_choices_history(
      std::get<2>(routing),
      "PrepareRoutingBackward",
      derivative,
      selected_experts,
      routing_weights,
      num_experts,
      local_experts);
  return routing;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing_autograd));
  m.impl(kPrepareRoutingBackward, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
