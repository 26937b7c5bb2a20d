#pragma once

// moe::unpermute and its derivatives as every backend sees them: their arguments' checks and their outputs. The schemas
// are in the .cpp.

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/unpermute.h"

namespace moe {

// Raises a RuntimeError for wrong arguments.
void check_unpermute(const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions);

// A new, uninitialised (T, H), for arguments that have been checked.
at::Tensor empty_unpermuted(const at::Tensor& expert_outputs, const at::Tensor& positions);

// By expert_outputs: row i is routing_weights[t, k] * grad[t] for the choice whose position is i, 0 where there is
// none.
void check_unpermute_backward_expert_outputs(
    const at::Tensor& grad,
    const at::Tensor& routing_weights,
    const at::Tensor& positions,
    const c10::SymInt& num_rows);

// A new, uninitialised (N, H), for arguments that have been checked.
at::Tensor empty_unpermute_backward_expert_outputs(const at::Tensor& grad, const c10::SymInt& num_rows);

// By routing_weights: the product of grad[t] with the choice's row of expert_outputs, 0 where it has none.
void check_unpermute_backward_routing_weights(
    const at::Tensor& grad,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions);

// A new, uninitialised (T, K), for arguments that have been checked.
at::Tensor empty_unpermute_backward_routing_weights(const at::Tensor& routing_weights);

}  // namespace moe
