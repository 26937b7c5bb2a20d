#pragma once

// moe::prepare_routing as every backend sees it: its arguments' check and its outputs. The schema is in the .cpp.

#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/prepare_routing.h"

namespace moe {

// num_routed_tokens (1, E_padded), routed_tokens (E_padded, T * K), routed_token_weights (E_padded, T * K)
using RoutingOutputs = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

// Raises a RuntimeError for wrong arguments.
void check_prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts);

// New, uninitialised outputs, for arguments that have been checked.
RoutingOutputs empty_routing(const at::Tensor& routing_weights, const c10::SymInt& num_experts);

}  // namespace moe
