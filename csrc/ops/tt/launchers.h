#pragma once

// What both operators do with tensors on a device before and after they launch.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "tt/backend/memory/device_span.h"
#include "tt/launch/launcher.h"

namespace moe::tt {

using launch::Choices;
using launch::Launcher;
using launch::Span;

// The launches of the device that a tensor is on. The first call also has synchronisations and copies to the host
// raise what the kernels report.
Launcher& launcher_of(const at::Tensor& tensor);

// Where a contiguous tensor with elements is.
Span flat_span(const at::Tensor& tensor);

// Arguments that were checked and made contiguous, with choices. The tensors must live until the launch.
Choices choices_of(const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts);

// Raises unless an output's elements can be numbered with 32 bits, as kernels do. Comes before the output's allocation.
void check_num_elements(const char* op, const char* output, int64_t rows, int64_t columns);

}  // namespace moe::tt
