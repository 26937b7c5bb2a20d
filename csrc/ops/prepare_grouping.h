#pragma once

// moe::prepare_grouping as every backend sees it: its arguments' check and its outputs. The schema is in the .cpp.

#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/prepare_grouping.h"

namespace moe {

// group_sizes (L), group_offsets (L + 1), grouped_tokens (N), grouped_weights (N), positions (T, K)
using GroupingOutputs = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

GroupingLayout<c10::SymInt> grouping_layout(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens);

// Raises a RuntimeError for wrong arguments.
void check_prepare_grouping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens);

// New, uninitialised outputs, for arguments that have been checked.
GroupingOutputs empty_grouping(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const c10::SymInt& alignment,
    const std::optional<c10::SymInt>& max_tokens);

}  // namespace moe
