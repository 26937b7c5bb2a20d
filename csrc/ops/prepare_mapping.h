#pragma once

// moe::prepare_mapping as every backend sees it: its arguments' check and its output. The schema is in the .cpp.

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/prepare_mapping.h"

namespace moe {

// Raises a RuntimeError for wrong arguments.
void check_prepare_mapping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts);

// A new, uninitialised map (T, L), for arguments that have been checked.
at::Tensor empty_mapping(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts, const std::optional<at::Tensor>& local_experts);

// The derivative by routing_weights. `grad` is (T, L), of the map; a choice has its element, and 0 where it has no
// column or a later choice of the same token took it.
void check_prepare_mapping_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts);

// A new, uninitialised (T, K), for arguments that have been checked.
at::Tensor empty_prepare_mapping_backward(const at::Tensor& grad, const at::Tensor& selected_experts);

}  // namespace moe
