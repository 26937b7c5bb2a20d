#pragma once

// What every operator checks of its arguments, in one wording. Every backend checks before anything else, so real, meta
// and fake tensors raise the same errors in the same words: a RuntimeError that names the operator, what it expected
// and what it was given.

#include <cstdint>
#include <limits>
#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/SymInt.h>
#include <c10/core/SymIntArrayRef.h>

#include "export.h"

namespace moe {

inline constexpr uint64_t kMaxBytes = std::numeric_limits<int64_t>::max();

// Whether a product of sizes is at most `limit`. A symbolic size counts as fitting: a guard on it would tell the
// compiler nothing, and the kernel that runs checks the real size.
bool product_fits(c10::SymIntArrayRef sizes, uint64_t limit);

// Two arguments, by their names.
MOE_API void check_same_device(
    const char* op,
    const char* first,
    const c10::Device& first_device,
    const char* other,
    const c10::Device& other_device);

// Devices, dtypes, shapes, and the number of experts.
void check_router_choices(
    const char* op,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts);

// The ids of the experts that a device holds, where they are given, beside choices that were checked.
void check_local_experts(
    const char* op, const std::optional<at::Tensor>& local_experts, const at::Tensor& selected_experts);

// A size that the caller passes as a number: `least` or more, and at most `limit` unless it is symbolic.
void check_size(const char* op, const char* name, const c10::SymInt& size, int64_t least, int64_t limit);

// Rows of numbers, in two dimensions that `shape` names.
void check_rows(const char* op, const char* name, const char* shape, const at::Tensor& rows);

// Indices of rows, int32, in as many dimensions as `shape` names.
void check_indices(const char* op, const char* name, const char* shape, int64_t num_dims, const at::Tensor& indices);

// Dtypes of rows that are weighted and summed.
void check_summed_dtypes(const char* op, const char* name, const at::Tensor& rows, const at::Tensor& routing_weights);

// What derivatives by routing_weights take: a gradient in two dimensions that `shape` names, and the ids.
void check_choices_grad(
    const char* op,
    const char* shape,
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts);

// L, the rows that choices may go to: one for each local expert, else one for each expert.
c10::SymInt num_rows_of(const std::optional<at::Tensor>& local_experts, const c10::SymInt& num_experts);

}  // namespace moe
