#include "ops/unpermute.h"

#include "ops/autograd/node.h"

namespace moe::autograd {
namespace {

class UnpermuteBackward final : public Node {
 public:
  SavedVariable expert_outputs;  // where the weights require a gradient
  SavedVariable routing_weights;
  SavedVariable positions;
  c10::SymInt num_rows;

  std::string name() const override {
    return "UnpermuteBackward";
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto by_expert_outputs =
        find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, c10::SymInt)>(
            kUnpermuteBackwardExpertOutputs);
    static const auto by_routing_weights =
        find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&)>(
            kUnpermuteBackwardRoutingWeights);
    variable_list grads(2);
    const at::Tensor weights = routing_weights.unpack();
    const at::Tensor rows = positions.unpack();
    if (task_should_compute_output(0)) {
      grads[0] = by_expert_outputs.call(grad, weights, rows, num_rows);
    }
    if (task_should_compute_output(1)) {
      grads[1] = by_routing_weights.call(grad, expert_outputs.unpack(), weights, rows);
    }
    return grads;
  }

  void release() override {
    expert_outputs.reset_data();
    routing_weights.reset_data();
    positions.reset_data();
  }
};

at::Tensor unpermute_autograd(
    c10::DispatchKeySet keys,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  static const auto op = find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>(kUnpermute);
  check_no_forward_mode(kUnpermute, expert_outputs);
  check_no_forward_mode(kUnpermute, routing_weights);
  at::Tensor sums = call_below(op, keys, expert_outputs, routing_weights, positions);
  if (torch::autograd::compute_requires_grad(expert_outputs, routing_weights)) {
    auto node = make_node<UnpermuteBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(expert_outputs, routing_weights));
    if (node->should_compute_output(1)) {
      node->expert_outputs = save(expert_outputs);
    }
    node->routing_weights = save(routing_weights);
    node->positions = save(positions);
    node->num_rows = expert_outputs.sym_size(0);
    torch::autograd::set_history(sums, node);
  }
  return sums;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kUnpermute, TORCH_FN(unpermute_autograd));
  m.impl(kUnpermuteBackwardExpertOutputs, torch::autograd::autogradNotImplementedFallback());
  m.impl(kUnpermuteBackwardRoutingWeights, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
