#include <tuple>
#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/library.h>

#include "contract/names.h"

// The operators are for inference: their outputs may require a gradient, but asking for it raises. PyTorch has a
// fallback that does so for any operator; knowing the arguments takes a third of its time, which a call for one token
// would notice.

namespace moe {
namespace {

const at::Tensor& weights_of(const at::Tensor& mapping) {
  return mapping;
}

const at::Tensor& weights_of(const std::tuple<at::Tensor, at::Tensor, at::Tensor>& routing) {
  return std::get<2>(routing);
}

template <typename Outputs, const char* const& kName>
Outputs without_gradient(
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
        weights_of(outputs),
        c10::make_intrusive<torch::autograd::NotImplemented>(
            kName, torch::autograd::collect_next_edges(routing_weights)));
  }
  return outputs;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  using Routing = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
  m.impl(kPrepareMapping, TORCH_FN((without_gradient<at::Tensor, kPrepareMapping>)));
  m.impl(kPrepareRouting, TORCH_FN((without_gradient<Routing, kPrepareRouting>)));
}

}  // namespace moe
