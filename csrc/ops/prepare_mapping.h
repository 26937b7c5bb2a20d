#pragma once

// moe::prepare_mapping as every backend sees it: its arguments' check and its output. The schema is in the .cpp.

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/prepare_mapping.h"

namespace moe {

// Raises a RuntimeError for wrong arguments.
void check_prepare_mapping(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts);

// A new, uninitialised map (T, E), for arguments that have been checked.
at::Tensor empty_mapping(const at::Tensor& routing_weights, const c10::SymInt& num_experts);

}  // namespace moe
