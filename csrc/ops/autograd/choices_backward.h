#pragma once

// The derivative of operators that move weights to where ids lead: the gradient of a weight is looked up there.

#include <string>
#include <utility>

#include "ops/autograd/node.h"

namespace moe::autograd {

// (grad, selected_experts, num_experts, local_experts)
using ChoicesDerivative =
    at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&);

class ChoicesBackward final : public Node {
 public:
  ChoicesBackward(std::string name, c10::TypedOperatorHandle<ChoicesDerivative> derivative)
      : name_(std::move(name)), derivative_(std::move(derivative)) {}

  SavedVariable selected_experts;
  SavedVariable local_experts;
  c10::SymInt num_experts;

  std::string name() const override {
    return name_;
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    return {derivative_.call(grad, selected_experts.unpack(), num_experts, unpack_optional(local_experts))};
  }

  void release() override {
    selected_experts.reset_data();
    local_experts.reset_data();
  }

 private:
  const std::string name_;
  const c10::TypedOperatorHandle<ChoicesDerivative> derivative_;
};

// Makes an output depend on the weights, where they require a gradient.
inline void set_choices_history(
    const at::Tensor& output,
    const char* name,
    const c10::TypedOperatorHandle<ChoicesDerivative>& derivative,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts) {
  if (!torch::autograd::compute_requires_grad(routing_weights)) {
    return;
  }
  auto node = make_node<ChoicesBackward>(name, derivative);
  node->set_next_edges(torch::autograd::collect_next_edges(routing_weights));
  node->selected_experts = save(selected_experts);
  node->local_experts = save(local_experts);
  node->num_experts = num_experts;
  torch::autograd::set_history(output, node);
}

}  // namespace moe::autograd
