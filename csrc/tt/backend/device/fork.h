#pragma once

#include "export.h"

namespace moe::tt::backend {

// A device is open from here on: a child that forks off shares nothing with it but dead copies.
void watch_for_fork();

// Whether this process is the child of one that had opened a device.
MOE_API bool in_bad_fork() noexcept;

// Throws in such a child.
MOE_API void check_not_forked();

}  // namespace moe::tt::backend
