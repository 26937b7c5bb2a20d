#include "ops/prepare_grouping.h"
#include "ops/autograd/node.h"
#include "ops/permute.h"

namespace moe::autograd {
namespace {

using PrepareGrouping = GroupingOutputs(
    const at::Tensor&,
    const at::Tensor&,
    c10::SymInt,
    const std::optional<at::Tensor>&,
    c10::SymInt,
    std::optional<c10::SymInt>);

class PrepareGroupingBackward final : public Node {
 public:
  SavedVariable positions;

  std::string name() const override {
    return "PrepareGroupingBackward";
  }

 protected:
  // A choice's gradient is that of its row, 0 where it has none: what moe::permute does with rows of one number.
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto op = find_operator<at::Tensor(const at::Tensor&, const at::Tensor&)>(kPermute);
    const at::Tensor rows = positions.unpack();
    return {op.call(grad.unsqueeze(1), rows.flatten()).view_symint(rows.sym_sizes())};
  }

  void release() override {
    positions.reset_data();
  }
};

GroupingOutputs prepare_grouping_autograd(
    c10::DispatchKeySet keys,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts,
    c10::SymInt alignment,
    std::optional<c10::SymInt> max_tokens) {
  static const auto op = find_operator<PrepareGrouping>(kPrepareGrouping);
  check_no_forward_mode(kPrepareGrouping, routing_weights);
  GroupingOutputs grouping = call_below(
      op,
      keys,
      selected_experts,
      routing_weights,
      std::move(num_experts),
      local_experts,
      std::move(alignment),
      std::move(max_tokens));
  if (torch::autograd::compute_requires_grad(routing_weights)) {
    auto node = make_node<PrepareGroupingBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(routing_weights));
    node->positions = save(std::get<4>(grouping));
    torch::autograd::set_history(std::get<3>(grouping), node);
  }
  return grouping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kPrepareGrouping, TORCH_FN(prepare_grouping_autograd));
}

}  // namespace moe::autograd
