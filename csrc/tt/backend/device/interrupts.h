#pragma once

#include <functional>

#include "export.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// A call of the runtime that waits, given what it is to do meanwhile.
using Wait = std::function<void(const runtime::Meanwhile& meanwhile)>;

// Waits as a user asked for it: other threads of Python run, and so do the handlers of signals, of which one that
// raises ends the wait. Not for a wait that is a step of an operator, which would end halfway, nor for one within a
// lock.
MOE_API void wait_for_user(const Wait& wait);

// Sets how that is done, as Python's bindings know. Without them, the call is made.
using WaitForUser = void (*)(const Wait& wait);
MOE_API void set_wait_for_user(WaitForUser wait) noexcept;

}  // namespace moe::tt::backend
