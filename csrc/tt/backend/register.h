#pragma once

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "export.h"

namespace moe::tt::backend {

// Registers tt with PyTorch as PrivateUse1: the name, the allocator, the guard, the hooks and the kernels. Opens no
// device. Throws if another backend has registered as PrivateUse1; a second call does nothing.
MOE_API void register_backend();

// What it registers, each from the file of its name.
at::PrivateUse1HooksInterface* hooks();
const c10::impl::DeviceGuardImplInterface* guard();
void register_profiler_stubs();
void register_activities();

}  // namespace moe::tt::backend
