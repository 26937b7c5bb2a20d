#pragma once

#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

namespace moe {

// New, contiguous, uninitialised outputs on the device of the inputs, for arguments that have been checked.

// (T, E)
at::Tensor empty_mapping(const at::Tensor& routing_weights, const c10::SymInt& num_experts);

// num_routed_tokens (1, E_padded), routed_tokens (E_padded, T * K), routed_token_weights (E_padded, T * K)
std::tuple<at::Tensor, at::Tensor, at::Tensor> empty_routing(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts);

}  // namespace moe
