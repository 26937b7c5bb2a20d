#pragma once

#include <c10/core/Device.h>

#include "export.h"

namespace moe::tt::backend {

// How many devices the chosen runtime has; 0 where it cannot be made. Opens nothing.
MOE_API c10::DeviceIndex device_count() noexcept;

// Throws where there is no such device, with the reason where no device can be reached at all.
MOE_API void check_device_index(c10::DeviceIndex index);

// The device that a call means which names none: one a thread, 0 at first.
MOE_API c10::DeviceIndex current_device() noexcept;
// Returns the one before. The index must be valid.
MOE_API c10::DeviceIndex exchange_current_device(c10::DeviceIndex index) noexcept;

// `index`, or the current device where it is -1. Throws where there is no such device.
c10::DeviceIndex device_index_or_current(c10::DeviceIndex index);

}  // namespace moe::tt::backend
