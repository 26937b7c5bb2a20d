#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace moe::tt::backend {

// The boxed kernel of every operator that has none for tt: runs it on the CPU, with copies there and back.
void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack);

}  // namespace moe::tt::backend
