#pragma once

// moe::permute and its derivative as every backend sees them: their arguments' checks and their outputs. The schemas
// are in the .cpp.

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/permute.h"

namespace moe {

// Raises a RuntimeError for wrong arguments.
void check_permute(const at::Tensor& hidden, const at::Tensor& grouped_tokens);

// A new, uninitialised (N, H), for arguments that have been checked.
at::Tensor empty_permuted(const at::Tensor& hidden, const at::Tensor& grouped_tokens);

// The derivative sums the rows of `grad`, (N, H), of each token, in order of rows: each sum is rounded to float32
// (float64 stays float64), and the last one to the dtype.
void check_permute_backward(const at::Tensor& grad, const at::Tensor& grouped_tokens, const c10::SymInt& num_tokens);

// A new, uninitialised (T, H), for arguments that have been checked.
at::Tensor empty_permute_backward(const at::Tensor& grad, const c10::SymInt& num_tokens);

}  // namespace moe
