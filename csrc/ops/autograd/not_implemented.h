#pragma once

#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace moe::autograd {

// The Autograd kernel of an operator without a derivative: its output may require a gradient, but a backward pass
// through it raises. `differentiable(outputs)` is the output that the weights go into.
//
// PyTorch has a fallback that does so for any operator. A kernel that knows the arguments takes a third of its time,
// which shows in a call for one token.
template <typename Outputs, const char* const& kName, const at::Tensor& (*differentiable)(const Outputs&)>
Outputs not_implemented(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow(kName, "")
                             .typed<Outputs(const at::Tensor&, const at::Tensor&, c10::SymInt)>();
  TORCH_CHECK_NOT_IMPLEMENTED(
      !routing_weights.defined() || !routing_weights._fw_grad(/*level=*/0).defined(),
      "forward-mode derivative for ",
      kName,
      " is not implemented");
  Outputs outputs = [&] {
    const at::AutoDispatchBelowAutograd below;
    return op.redispatch(keys & c10::after_autograd_keyset, selected_experts, routing_weights, std::move(num_experts));
  }();
  if (torch::autograd::compute_requires_grad(routing_weights)) {
    torch::autograd::set_history(
        differentiable(outputs),
        c10::make_intrusive<torch::autograd::NotImplemented>(
            kName, torch::autograd::collect_next_edges(routing_weights)));
  }
  return outputs;
}

}  // namespace moe::autograd
