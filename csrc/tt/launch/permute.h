#pragma once

#include <cstdint>
#include <vector>

#include "export.h"
#include "tt/launch/launcher.h"

namespace moe::tt::launch {

// Rows of tokens, and where they go. Checked and contiguous, or with pages that are rows; then grouped_tokens is one
// row. There are rows of the output, of an element or more.
struct Permutation {
  Tensor hidden;
  Tensor grouped_tokens;
  uint32_t num_tokens;
  uint32_t num_rows;  // of the output
  uint32_t row_size;  // bytes, an even number
};

// What the kernel checks.
MOE_API Checks checks_of(const Permutation& permutation);

// Whether the kernel takes tensors of so many rows: it moves units of two bytes, and counts them with 32 bits.
MOE_API bool has_permute_kernel(uint64_t rows, uint64_t columns, uint64_t element_size);

// Launches moe::permute: `permuted` has the rows of hidden that grouped_tokens names.
void permute(Launcher& launcher, const Permutation& permutation, const Tensor& permuted);

// The launches. Throws DeviceError if L1 is too small.
MOE_API std::vector<Launch> plan_permute(
    const Target& target,
    const Permutation& permutation,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& permuted);

}  // namespace moe::tt::launch
