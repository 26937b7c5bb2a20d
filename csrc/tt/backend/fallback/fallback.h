#pragma once

#include <string>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "export.h"

namespace moe::tt::backend {

// The boxed kernel of every operator that has none for tt: copies its arguments to the host, runs it on the CPU and
// copies the results back.
void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// The same with the CPU's kernels of one dispatch key.
void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack, c10::DispatchKey cpu_key);

// What the fallback does beforehand: "silent" nothing, "warn" warns once for each operator, "error" raises. At first
// the value of TORCH_TT_FALLBACK, or "warn".
MOE_API std::string fallback_mode();

// Sets the mode, and forgets which operators were warned of.
MOE_API void set_fallback_mode(const std::string& mode);

// Does it.
void warn_or_raise_fallback(const c10::OperatorHandle& op);

}  // namespace moe::tt::backend
