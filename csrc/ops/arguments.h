#pragma once

// What every operator checks of its arguments, in one wording. Every backend checks before anything else, so real, meta
// and fake tensors raise the same errors in the same words: a RuntimeError that names the operator, what it expected
// and what it was given.

#include <cstdint>
#include <initializer_list>
#include <limits>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/SymInt.h>

#include "export.h"

namespace moe {

inline constexpr uint64_t kMaxBytes = std::numeric_limits<int64_t>::max();

// Whether a product of sizes is at most `limit`. A symbolic size counts as fitting: a guard on it would tell the
// compiler nothing, and the kernel that runs checks the real size.
bool product_fits(std::initializer_list<c10::SymInt> sizes, uint64_t limit);

MOE_API void check_same_device(const char* op, const c10::Device& selected_experts, const c10::Device& routing_weights);

// Devices, dtypes, shapes, and the number of experts.
void check_router_choices(
    const char* op,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts);

}  // namespace moe
