#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace moe::tt::backend {

// PyTorch has operators that it calls on every device but the CPU, or with arguments that only other devices take: the
// CPU has no kernel for them. host_operator() finds what the fallback runs on the host instead: an operator of ours, of
// the same schema, with a kernel for the CPU. For any other operator it is the operator itself.
c10::OperatorHandle host_operator(const c10::OperatorHandle& op);

// Defines ours, in the namespace "tt_host".
void define_host_operators();

}  // namespace moe::tt::backend
