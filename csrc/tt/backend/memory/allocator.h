#pragma once

#include <c10/core/CachingDeviceAllocator.h>

namespace moe::tt::backend {

// Allocates on the current device.
c10::DeviceAllocator* allocator();

}  // namespace moe::tt::backend
