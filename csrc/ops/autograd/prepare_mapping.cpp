#include "ops/prepare_mapping.h"
#include "ops/autograd/node.h"

namespace moe::autograd {
namespace {

using Forward = at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&);
using Backward = at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt, const std::optional<at::Tensor>&);

class PrepareMappingBackward final : public Node {
 public:
  SavedVariable selected_experts;
  SavedVariable local_experts;
  c10::SymInt num_experts;

  std::string name() const override {
    return "PrepareMappingBackward";
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto op = find_operator<Backward>(kPrepareMappingBackward);
    return {op.call(grad, selected_experts.unpack(), num_experts, unpack_optional(local_experts))};
  }

  void release() override {
    selected_experts.reset_data();
    local_experts.reset_data();
  }
};

at::Tensor prepare_mapping(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts) {
  static const auto op = find_operator<Forward>(kPrepareMapping);
  check_no_forward_mode(kPrepareMapping, routing_weights);
  at::Tensor mapping = call_below(op, keys, selected_experts, routing_weights, num_experts, local_experts);
  if (torch::autograd::compute_requires_grad(routing_weights)) {
    auto node = c10::make_intrusive<PrepareMappingBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(routing_weights));
    node->selected_experts = save(selected_experts);
    node->local_experts = save(local_experts);
    node->num_experts = std::move(num_experts);
    torch::autograd::set_history(mapping, node);
  }
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
  m.impl(kPrepareMappingBackward, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
