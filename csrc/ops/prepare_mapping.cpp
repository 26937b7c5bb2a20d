#include "ops/prepare_mapping.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "prepare_mapping(Tensor selected_experts, Tensor routing_weights, SymInt num_experts, *,"
      " Tensor? local_experts=None) -> Tensor",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "prepare_mapping_backward(Tensor grad, Tensor selected_experts, SymInt num_experts, Tensor? local_experts)"
      " -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {
namespace {

MappingLayout<c10::SymInt> layout_of(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts, const std::optional<at::Tensor>& local_experts) {
  return MappingLayout<c10::SymInt>::of(routing_weights.sym_size(0), num_rows_of(local_experts, num_experts));
}

}  // namespace

void check_prepare_mapping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_router_choices(kPrepareMapping, selected_experts, routing_weights, num_experts);
  check_local_experts(kPrepareMapping, local_experts, selected_experts);
  const auto [num_tokens, num_columns] = layout_of(routing_weights, num_experts, local_experts);
  TORCH_CHECK(
      product_fits({num_tokens, num_columns, routing_weights.element_size()}, kMaxBytes),
      kPrepareMapping,
      ": expected sizes whose output fits in 2^63 - 1 bytes, got T = ",
      num_tokens,
      local_experts.has_value() ? " and L = " : " and num_experts = ",
      num_columns);
}

at::Tensor empty_mapping(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts, const std::optional<at::Tensor>& local_experts) {
  const auto [num_tokens, num_columns] = layout_of(routing_weights, num_experts, local_experts);
  return empty_output(kPrepareMapping, {num_tokens, num_columns}, routing_weights.scalar_type(), routing_weights);
}

void check_prepare_mapping_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts) {
  constexpr auto op = kPrepareMappingBackward;
  check_choices_grad(op, "(T, L)", grad, selected_experts, num_experts, local_experts);
  const auto num_rows = num_rows_of(local_experts, num_experts);
  TORCH_SYM_CHECK(
      grad.sym_size(0).sym_eq(selected_experts.sym_size(0)).sym_and(grad.sym_size(1).sym_eq(num_rows)),
      op,
      ": expected the gradient of a map (T, L) as grad, got shape ",
      grad.sym_sizes());
}

at::Tensor empty_prepare_mapping_backward(const at::Tensor& grad, const at::Tensor& selected_experts) {
  return empty_output(kPrepareMappingBackward, selected_experts.sym_sizes(), grad.scalar_type(), grad);
}

}  // namespace moe
