#pragma once

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "export.h"

namespace moe::tt::backend {

// PyTorch's view of devices, streams and events. A device has one in-order queue and so one stream, which a request for
// a new one gets too.
MOE_API const c10::impl::DeviceGuardImplInterface* guard();

}  // namespace moe::tt::backend
