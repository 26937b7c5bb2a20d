#pragma once

#include <optional>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

namespace moe::tt::backend {

// The tt device of an operator's arguments; nothing where they name none. Throws if a tensor among them is elsewhere,
// by CUDA's rules: a number, which is a tensor of no dimensions on the CPU, may be an operand of a pointwise operator,
// and a few arguments, such as an indexing's indices, may be on the CPU. What an operator writes to may not.
std::optional<at::Device> common_device(const c10::OperatorHandle& op, c10::ArrayRef<c10::IValue> arguments);

}  // namespace moe::tt::backend
