#pragma once

// What every operator does with tensors on tt before it launches.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "tt/launch/launcher.h"

namespace moe::tt {

// The launcher of the tensor's device. From the first call on, synchronisations of that device and copies to the host
// raise the invalid ids that kernels report.
launch::Launcher& launcher_of(const at::Tensor& tensor);

// Arguments that were checked and made contiguous, with choices. The tensors must live until the launch.
launch::RouterChoices router_choices(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts);

// Reports invalid ids as the operator's kernels do, for calls whose choices have no place in any output.
void check_ids(
    const char* op, const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts);

// Raises unless an output's elements can be numbered with 32 bits, as kernels do. Comes before the output's allocation.
void check_num_elements(const char* op, const char* output, int64_t rows, int64_t columns);

}  // namespace moe::tt
