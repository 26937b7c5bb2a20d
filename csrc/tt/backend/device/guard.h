#pragma once

#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace moe::tt::backend {

// PyTorch's view of devices, streams and events. A device has one in-order queue and so one stream, which a request for
// a new one gets too.
const c10::impl::DeviceGuardImplInterface* guard();

}  // namespace moe::tt::backend
