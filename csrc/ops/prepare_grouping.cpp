#include "ops/prepare_grouping.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "prepare_grouping(Tensor selected_experts, Tensor routing_weights, SymInt num_experts, *,"
      " Tensor? local_experts=None, SymInt alignment=1, SymInt? max_tokens=None)"
      " -> (Tensor group_sizes, Tensor group_offsets, Tensor grouped_tokens, Tensor grouped_weights, Tensor positions)",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {

GroupingLayout<c10::SymInt> grouping_layout(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens) {
  using Layout = GroupingLayout<c10::SymInt>;
  const auto num_choices = routing_weights.sym_size(0) * routing_weights.sym_size(1);
  const auto num_groups = num_rows_of(local_experts, num_experts);
  return max_tokens.has_value() ? Layout::of(num_choices, num_groups, alignment, *max_tokens)
                                : Layout::of(num_choices, num_groups, alignment);
}

void check_prepare_grouping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens) {
  check_router_choices(kPrepareGrouping, selected_experts, routing_weights, num_experts);
  check_local_experts(kPrepareGrouping, local_experts, selected_experts);
  check_size(kPrepareGrouping, "alignment", alignment, 1, kMaxGroupedSize);
  if (max_tokens.has_value()) {
    check_size(kPrepareGrouping, "max_tokens", *max_tokens, 0, kMaxGroupedSize);
  }
  const auto num_tokens = selected_experts.sym_size(0);
  const auto top_k = selected_experts.sym_size(1);
  const auto num_groups = num_rows_of(local_experts, num_experts);
  TORCH_CHECK(
      product_fits({num_tokens, top_k}, kMaxGroupedSize),
      kPrepareGrouping,
      ": expected at most 2^31 - 1 choices (T * K), got T = ",
      num_tokens,
      " and K = ",
      top_k);
  TORCH_CHECK(
      product_fits({num_groups}, kMaxGroupedSize - 1),
      kPrepareGrouping,
      ": expected fewer than 2^31 - 1 groups, got ",
      num_groups);
  TORCH_CHECK(
      product_fits(
          {grouping_layout(routing_weights, num_experts, local_experts, alignment, max_tokens).num_rows},
          kMaxGroupedSize),
      kPrepareGrouping,
      ": expected at most 2^31 - 1 rows, padding included, got T = ",
      num_tokens,
      ", K = ",
      top_k,
      ", ",
      num_groups,
      " groups and alignment = ",
      alignment);
}

GroupingOutputs empty_grouping(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens) {
  const auto [num_groups, num_rows] =
      grouping_layout(routing_weights, num_experts, local_experts, alignment, max_tokens);
  return {
      empty_output(kPrepareGrouping, {num_groups}, at::kInt, routing_weights),
      empty_output(kPrepareGrouping, {num_groups + 1}, at::kInt, routing_weights),
      empty_output(kPrepareGrouping, {num_rows}, at::kInt, routing_weights),
      empty_output(kPrepareGrouping, {num_rows}, routing_weights.scalar_type(), routing_weights),
      empty_output(kPrepareGrouping, routing_weights.sym_sizes(), at::kInt, routing_weights)};
}

}  // namespace moe
