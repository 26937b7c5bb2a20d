#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/SymInt.h>

namespace moe {

// Raise a RuntimeError that names the operator, what it expected and what it was given. Every backend calls
// these before anything else, so real, meta and fake tensors meet the same errors in the same words.

void check_same_device(const char* op, const c10::Device& selected_experts, const c10::Device& routing_weights);

void check_prepare_mapping(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts);

void check_prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts);

}  // namespace moe
