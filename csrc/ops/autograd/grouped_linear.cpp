#include "ops/grouped_linear.h"

#include <ATen/ATen.h>

#include "contract/permute.h"
#include "ops/autograd/node.h"

namespace moe::autograd {
namespace {

using GroupedLinear = at::Tensor(
    const at::Tensor&,
    const at::Tensor&,
    const at::Tensor&,
    const std::optional<at::Tensor>&,
    const std::optional<at::Tensor>&);

const c10::TypedOperatorHandle<GroupedLinear>& grouped_linear_operator() {
  static const auto op = find_operator<GroupedLinear>(kGroupedLinear);
  return op;
}

// (N,), int32: the group of each row, -1 after the last group.
at::Tensor groups_of_rows(const at::Tensor& group_offsets, const c10::SymInt& num_rows) {
  // Of a tensor that is there, so that a subclass, such as of fake tensors, makes its own.
  const at::Tensor row = group_offsets.new_ones_symint({num_rows}).cumsum(0, at::kInt) - 1;
  const at::Tensor ends = group_offsets.slice(0, 1);
  return at::searchsorted(ends, row, /*out_int32=*/true, /*right=*/true)
      .masked_fill(row.ge(group_offsets.select(0, -1)), -1);
}

class GroupedLinearBackward final : public Node {
 public:
  SavedVariable input;   // where the weight requires a gradient
  SavedVariable weight;  // where the input does
  SavedVariable group_offsets;
  SavedVariable grouped_tokens;
  c10::SymInt num_tokens;

  std::string name() const override {
    return "GroupedLinearBackward";
  }

 protected:
  variable_list differentiate(const at::Tensor& grad) override {
    static const auto by_weight = find_operator<at::Tensor(
        const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&)>(
        kGroupedLinearBackwardWeight);
    static const auto sum_rows =
        find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, c10::SymInt)>(kPermuteBackward);
    variable_list grads(3);
    const at::Tensor offsets = group_offsets.unpack();
    const auto tokens = unpack_optional(grouped_tokens);
    if (task_should_compute_output(0)) {
      grads[0] = grouped_linear_operator().call(
          grad, weight.unpack().transpose(1, 2), offsets, /*bias=*/std::nullopt, /*grouped_tokens=*/std::nullopt);
      if (tokens.has_value()) {
        grads[0] = sum_rows.call(grads[0], *tokens, num_tokens);
      }
    }
    if (task_should_compute_output(1)) {
      grads[1] = by_weight.call(grad, input.unpack(), offsets, tokens);
    }
    if (task_should_compute_output(2)) {
      grads[2] = sum_rows.call(grad, groups_of_rows(offsets, grad.sym_size(0)), offsets.sym_size(0) - 1);
    }
    return grads;
  }

  void release() override {
    input.reset_data();
    weight.reset_data();
    group_offsets.reset_data();
    grouped_tokens.reset_data();
  }
};

at::Tensor grouped_linear_autograd(
    c10::DispatchKeySet keys,
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  const at::Tensor bias_tensor = bias.value_or(at::Tensor());
  for (const auto& tensor : {input, weight, bias_tensor}) {
    check_no_forward_mode(kGroupedLinear, tensor);
  }
  at::Tensor output = call_below(grouped_linear_operator(), keys, input, weight, group_offsets, bias, grouped_tokens);
  if (torch::autograd::compute_requires_grad(input, weight, bias_tensor)) {
    auto node = make_node<GroupedLinearBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(input, weight, bias_tensor));
    if (node->should_compute_output(0)) {
      node->weight = save(weight);
    }
    if (node->should_compute_output(1)) {
      node->input = save(input);
    }
    node->group_offsets = save(group_offsets);
    node->grouped_tokens = save(grouped_tokens);
    node->num_tokens = input.sym_size(0);
    torch::autograd::set_history(output, node);
  }
  return output;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, Autograd, m) {
  m.impl(kGroupedLinear, TORCH_FN(grouped_linear_autograd));
  m.impl(kGroupedLinearBackwardWeight, torch::autograd::autogradNotImplementedFallback());
}

}  // namespace moe::autograd
