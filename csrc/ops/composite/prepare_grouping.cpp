#include "ops/prepare_grouping.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/composite/choices.h"

namespace moe::composite {

GroupingOutputs prepare_grouping_composite(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    int64_t alignment,
    std::optional<int64_t> max_tokens) {
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  const auto layout = grouping_layout(routing_weights, num_experts, local_experts, alignment, max_tokens);
  const int64_t num_groups = layout.num_groups.expect_int();
  const int64_t num_rows = layout.num_rows.expect_int();
  const int64_t limit = max_tokens.value_or(kMaxGroupedSize);

  const SortedChoices sorted =
      sort_choices(rows_of_choices(kPrepareGrouping, selected_experts, num_experts, local_experts), num_groups);
  const at::Tensor sizes = sorted.counts.clamp_max(limit);
  const at::Tensor padded = (sizes + (alignment - 1)).div(alignment, "floor") * alignment;
  const at::Tensor offsets = at::constant_pad_nd(padded.cumsum(0), {1, 0}, 0);
  const at::Tensor placed = (sorted.rows < num_groups).logical_and_(sorted.places < limit);
  const at::Tensor rows = at::where(placed, offsets.index_select(0, sorted.rows) + sorted.places, num_rows);
  const at::Tensor positions = rows.masked_fill(placed.logical_not(), kNone).to(at::kInt);
  return {
      sizes.to(at::kInt),
      offsets.to(at::kInt),
      scattered(rows, tokens_of(sorted, selected_experts.size(1)), num_rows, kNone),
      scattered(rows, routing_weights.flatten().index_select(0, sorted.order), num_rows, 0),
      unsorted(sorted, positions, selected_experts.sizes())};
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kPrepareGrouping, TORCH_FN(prepare_grouping_composite));
}

}  // namespace moe::composite
