#include "ops/prepare_routing.h"
#include "ops/autograd/node.h"

namespace moe::autograd {
namespace {

using Forward = RoutingOutputs(
    const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&, std::optional<c10::SymInt>);
using Backward = at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&);

class PrepareRoutingBackward final : public Node {
 public:
  SavedVariable selected_experts;
  SavedVariable local_experts;
  c10::SymInt num_experts;

  std::string name() const override {
    return "PrepareRoutingBackward";
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto op = find_operator<Backward>(kPrepareRoutingBackward);
    return {op.call(grad, selected_experts.unpack(), num_experts, unpack_optional(local_experts))};
  }

  void release() override {
    selected_experts.reset_data();
    local_experts.reset_data();
  }
};

RoutingOutputs prepare_routing(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<c10::SymInt> max_tokens) {
  static const auto op = find_operator<Forward>(kPrepareRouting);
  check_no_forward_mode(kPrepareRouting, routing_weights);
  RoutingOutputs routing =
      call_below(op, keys, selected_experts, routing_weights, num_experts, local_experts, std::move(max_tokens));
  if (torch::autograd::compute_requires_grad(routing_weights)) {
    auto node = c10::make_intrusive<PrepareRoutingBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(routing_weights));
    node->selected_experts = save(selected_experts);
    node->local_experts = save(local_experts);
    node->num_experts = std::move(num_experts);
    torch::autograd::set_history(std::get<2>(routing), node);
  }
  return routing;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
  m.impl(kPrepareRoutingBackward, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
