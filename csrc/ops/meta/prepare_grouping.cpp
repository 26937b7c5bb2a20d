#include <torch/library.h>

#include "ops/prepare_grouping.h"

namespace moe::meta {

GroupingOutputs prepare_grouping_meta(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    c10::SymInt num_experts,
    const std::optional<at::Tensor>& local_experts,
    c10::SymInt alignment,
    std::optional<c10::SymInt> max_tokens) {
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  return empty_grouping(routing_weights, num_experts, local_experts, alignment, max_tokens);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareGrouping, TORCH_FN(prepare_grouping_meta));
}

}  // namespace moe::meta
