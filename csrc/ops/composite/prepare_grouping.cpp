#include "ops/prepare_grouping.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/composite/choices.h"

namespace moe::composite {

GroupingOutputs prepare_grouping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    int64_t alignment,
    std::optional<int64_t> max_tokens) {
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  using Layout = GroupingLayout<int64_t>;
  const int64_t num_choices = selected_experts.numel();
  const int64_t num_groups = local_experts.has_value() ? local_experts->size(0) : num_experts;
  const int64_t num_rows = (max_tokens.has_value() ? Layout::of(num_choices, num_groups, alignment, *max_tokens)
                                                   : Layout::of(num_choices, num_groups, alignment))
                               .num_rows;
  const int64_t limit = max_tokens.value_or(kMaxGroupedSize);

  const SortedChoices sorted =
      sort_choices(rows_of_choices(kPrepareGrouping, selected_experts, num_experts, local_experts), num_groups);
  const at::Tensor sizes = sorted.counts.clamp_max(limit);
  const at::Tensor padded = (sizes + (alignment - 1)).div(alignment, "floor") * alignment;
  const at::Tensor offsets = at::constant_pad_nd(padded.cumsum(0), {1, 0}, 0);
  const at::Tensor placed = (sorted.rows < num_groups).logical_and_(sorted.places < limit);
  const at::Tensor rows = at::where(placed, offsets.index_select(0, sorted.rows) + sorted.places, num_rows);
  const at::Tensor tokens = sorted.order.div(std::max<int64_t>(1, selected_experts.size(1)), "floor").to(at::kInt);
  const at::Tensor positions = rows.masked_fill(placed.logical_not(), kNone).to(at::kInt);
  return {
      sizes.to(at::kInt),
      offsets.to(at::kInt),
      scattered(rows, tokens, num_rows, kNone),
      scattered(rows, routing_weights.flatten().index_select(0, sorted.order), num_rows, 0),
      at::empty_like(positions).scatter_(0, sorted.order, positions).view(selected_experts.sizes())};
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kPrepareGrouping, TORCH_FN(prepare_grouping));
}

}  // namespace moe::composite
