#pragma once

// moe::grouped_linear and its derivative by the weights as every backend sees them: their arguments' checks and their
// outputs. The derivative by the input is made of grouped_linear, by the transposed weights, and of permute's. The
// schemas are in the .cpp.

#include <optional>

#include <ATen/core/Tensor.h>

#include "contract/grouped_linear.h"

namespace moe {

// Raises a RuntimeError for wrong arguments.
void check_grouped_linear(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens);

// A new, uninitialised (N, out), for arguments that have been checked.
at::Tensor empty_grouped_linear(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& grouped_tokens);

// The derivative of group l is the product of its rows of `grad`, (N, out), transposed, and its rows of `input`.
void check_grouped_linear_backward_weight(
    const at::Tensor& grad,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens);

// A new, uninitialised (L, out, in), for arguments that have been checked.
at::Tensor empty_grouped_linear_backward_weight(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& group_offsets);

}  // namespace moe
