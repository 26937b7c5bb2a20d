#include "ops/grouped_linear.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "grouped_linear(Tensor input, Tensor weight, Tensor group_offsets, *, Tensor? bias=None,"
      " Tensor? grouped_tokens=None) -> Tensor",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "grouped_linear_backward_weight(Tensor grad, Tensor input, Tensor group_offsets, *,"
      " Tensor? grouped_tokens=None) -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {
namespace {

// N, the rows that are multiplied.
c10::SymInt num_output_rows(const at::Tensor& input, const std::optional<at::Tensor>& grouped_tokens) {
  return grouped_tokens.has_value() ? grouped_tokens->sym_size(0) : input.sym_size(0);
}

void check_input(
    const char* op,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_rows(op, "input", grouped_tokens.has_value() ? "(T, in)" : "(N, in)", input);
  check_summed_dtypes(op, "input", input, input);
  check_indices(op, "group_offsets", "(L + 1,)", 1, group_offsets);
  check_same_device(op, "input", input.device(), "group_offsets", group_offsets.device());
  if (grouped_tokens.has_value()) {
    check_indices(op, "grouped_tokens", "(N,)", 1, *grouped_tokens);
    check_same_device(op, "input", input.device(), "grouped_tokens", grouped_tokens->device());
  }
  TORCH_SYM_CHECK(
      group_offsets.sym_size(0).sym_ge(1),
      op,
      ": expected group_offsets of shape (L + 1,), got shape ",
      group_offsets.sym_sizes());
}

void check_like(const char* op, const at::Tensor& input, const char* name, const at::Tensor& other) {
  check_same_device(op, "input", input.device(), name, other.device());
  TORCH_CHECK(
      other.scalar_type() == input.scalar_type(),
      op,
      ": expected input and ",
      name,
      " of one dtype, got ",
      input.scalar_type(),
      " and ",
      other.scalar_type());
}

}  // namespace

void check_grouped_linear(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  constexpr auto op = kGroupedLinear;
  check_input(op, input, group_offsets, grouped_tokens);
  TORCH_CHECK(weight.defined(), op, ": expected a tensor for weight, got None");
  check_like(op, input, "weight", weight);
  const auto sizes = weight.sym_sizes();
  TORCH_CHECK(sizes.size() == 3, op, ": expected weight of shape (L, out, in), got shape ", sizes);
  TORCH_SYM_CHECK(
      sizes[2].sym_eq(input.sym_size(1)),
      op,
      ": expected input with as many columns as weight of shape (L, out, in), got shapes ",
      input.sym_sizes(),
      " and ",
      sizes);
  TORCH_SYM_CHECK(
      group_offsets.sym_size(0).sym_eq(sizes[0] + 1),
      op,
      ": expected group_offsets of shape (L + 1,) beside weight of shape (L, out, in), got shapes ",
      group_offsets.sym_sizes(),
      " and ",
      sizes);
  if (!bias.has_value()) {
    return;
  }
  check_like(op, input, "bias", *bias);
  const auto bias_sizes = bias->sym_sizes();
  TORCH_CHECK(bias_sizes.size() == 2, op, ": expected bias of shape (L, out), got shape ", bias_sizes);
  TORCH_SYM_CHECK(
      bias_sizes[0].sym_eq(sizes[0]).sym_and(bias_sizes[1].sym_eq(sizes[1])),
      op,
      ": expected bias of shape (L, out) beside weight of shape (L, out, in), got shapes ",
      bias_sizes,
      " and ",
      sizes);
}

at::Tensor empty_grouped_linear(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& grouped_tokens) {
  return empty_output(
      kGroupedLinear, {num_output_rows(input, grouped_tokens), weight.sym_size(1)}, input.scalar_type(), input);
}

void check_grouped_linear_backward_weight(
    const at::Tensor& grad,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens) {
  constexpr auto op = kGroupedLinearBackwardWeight;
  check_input(op, input, group_offsets, grouped_tokens);
  check_rows(op, "grad", "(N, out)", grad);
  check_like(op, input, "grad", grad);
  const auto num_rows = num_output_rows(input, grouped_tokens);
  TORCH_SYM_CHECK(
      grad.sym_size(0).sym_eq(num_rows), op, ": expected grad of ", num_rows, " rows, got shape ", grad.sym_sizes());
}

at::Tensor empty_grouped_linear_backward_weight(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& group_offsets) {
  return empty_output(
      kGroupedLinearBackwardWeight,
      {group_offsets.sym_size(0) - 1, grad.sym_size(1), input.sym_size(1)},
      input.scalar_type(),
      input);
}

}  // namespace moe
