#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/SymIntArrayRef.h>

namespace moe {

// A new, contiguous, uninitialised output on the device of an input. Raises, in the operator's name, unless its bytes
// can be counted.
at::Tensor empty_output(const char* op, c10::SymIntArrayRef sizes, at::ScalarType dtype, const at::Tensor& like);

}  // namespace moe
