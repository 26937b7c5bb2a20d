#include "ops/prepare_routing.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/composite/choices.h"

namespace moe::composite {
namespace {

// The element of each sorted choice in the lists, the number of elements where it has none.
at::Tensor elements_of(const SortedChoices& sorted, int64_t num_rows, int64_t row_width) {
  const at::Tensor placed = (sorted.rows < sorted.counts.size(0)).logical_and_(sorted.places < row_width);
  return at::where(placed, sorted.rows * row_width + sorted.places, num_rows * row_width);
}

}  // namespace

RoutingOutputs prepare_routing_composite(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<int64_t> max_tokens) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, local_experts, max_tokens);
  const auto layout = routing_layout(routing_weights, num_experts, local_experts, max_tokens);
  const int64_t num_rows = layout.num_rows.expect_int();
  const int64_t row_width = layout.row_width.expect_int();
  const SortedChoices sorted = sort_choices(
      rows_of_choices(kPrepareRouting, selected_experts, num_experts, local_experts),
      num_rows_of(local_experts, num_experts).expect_int());
  const at::Tensor elements = elements_of(sorted, num_rows, row_width);
  const int64_t num_elements = num_rows * row_width;
  const at::Tensor counts =
      at::constant_pad_nd(sorted.counts.clamp_max(row_width).to(at::kInt), {0, num_rows - sorted.counts.size(0)}, 0);
  // PyTorch writes int32 where it does not write uint32; -1 has the bits of the padding token.
  return {
      counts.view({1, num_rows}).view(at::kUInt32),
      scattered(elements, tokens_of(sorted, selected_experts.size(1)), num_elements, -1)
          .view({num_rows, row_width})
          .view(at::kUInt32),
      scattered(elements, routing_weights.flatten().index_select(0, sorted.order), num_elements, 0)
          .view({num_rows, row_width})};
}

at::Tensor prepare_routing_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_routing_backward(grad, selected_experts, num_experts, local_experts);
  const SortedChoices sorted = sort_choices(
      rows_of_choices(kPrepareRoutingBackward, selected_experts, num_experts, local_experts),
      num_rows_of(local_experts, num_experts).expect_int());
  const at::Tensor elements = elements_of(sorted, grad.size(0), grad.size(1));
  const at::Tensor values = at::constant_pad_nd(grad.flatten(), {0, 1}, 0).index_select(0, elements);
  return unsorted(sorted, values, selected_experts.sizes());
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing_composite));
  m.impl(kPrepareRoutingBackward, TORCH_FN(prepare_routing_backward));
}

}  // namespace moe::composite
