#pragma once

// What the composites share: kernels of plain PyTorch operators, for every device that has none of its own. Shapes are
// static and nothing is read on the host. An id out of range fails as at::_assert_async does on the device.

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace moe::composite {

// (T, K), int64: the row of each choice, num_rows where it has none.
at::Tensor rows_of_choices(
    const char* op,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts);

// The choices sorted by row, within a row in the order of the input; those without a row come last.
struct SortedChoices {
  at::Tensor rows;    // (T * K): the row of each, num_rows for none
  at::Tensor order;   // (T * K): which choice it is, token * K + k
  at::Tensor places;  // (T * K): its place within the row
  at::Tensor counts;  // (num_rows): choices of each row
};

// `rows` is what rows_of_choices() gives.
SortedChoices sort_choices(const at::Tensor& rows, int64_t num_rows);

// The token of each of the sorted choices, int32.
at::Tensor tokens_of(const SortedChoices& sorted, int64_t top_k);

// What belongs to the sorted choices, in the order and shape of the input.
at::Tensor unsorted(const SortedChoices& sorted, const at::Tensor& values, at::IntArrayRef shape);

// The type that rows of a dtype are summed in.
at::ScalarType accumulator_of(const at::Tensor& rows);

// Fails on the device unless each index is in [0, size) or -1.
void assert_indices(const char* op, const char* name, const at::Tensor& indices, int64_t size);

// `size` elements of `fill`, and at each target in [0, size) its value. A target of `size` is for what is left out.
at::Tensor scattered(const at::Tensor& targets, const at::Tensor& values, int64_t size, int64_t fill);

}  // namespace moe::composite
