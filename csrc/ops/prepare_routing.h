#pragma once

// moe::prepare_routing as every backend sees it: its arguments' check and its outputs. The schema is in the .cpp.

#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

#include "contract/prepare_routing.h"

namespace moe {

// num_routed_tokens (1, R), routed_tokens (R, W), routed_token_weights (R, W): R is L, padded; W is max_tokens, or T *
// K
using RoutingOutputs = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

RoutingLayout<c10::SymInt> routing_layout(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens);

// Raises a RuntimeError for wrong arguments.
void check_prepare_routing(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens);

// New, uninitialised outputs, for arguments that have been checked.
RoutingOutputs empty_routing(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens);

// The derivative by routing_weights. `grad` is (R, W), of routed_token_weights; a choice has its element, and 0 where
// it has no place there.
void check_prepare_routing_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts);

// A new, uninitialised (T, K), for arguments that have been checked.
at::Tensor empty_prepare_routing_backward(const at::Tensor& grad, const at::Tensor& selected_experts);

}  // namespace moe
