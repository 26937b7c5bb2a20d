#pragma once

// Which devices this process has: the runtime they come from, how many there are, which one is current, and whether a
// fork has taken them away.

#include <c10/core/Device.h>

#include "export.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// The runtime that TORCH_TT_RUNTIME names; without it, metal where it was built and there is a chip or a simulator,
// else emulated. The first call makes it. Throws if the name is unknown or the runtime cannot start; the next call
// tries again.
runtime::Runtime& chosen_runtime();

// The number of devices of the chosen runtime; 0 if it cannot start. Opens nothing.
MOE_API c10::DeviceIndex device_count() noexcept;

// Throws if there is no such device. If no device can be reached at all, the error says why.
MOE_API void check_device_index(c10::DeviceIndex index);

// The device of a call that names none. Each thread has its own, 0 at first.
MOE_API c10::DeviceIndex current_device() noexcept;

// Makes a device current and returns the one before. The index must be valid.
MOE_API c10::DeviceIndex exchange_current_device(c10::DeviceIndex index) noexcept;

// `index`, or the current device if it is -1. Throws if there is no such device.
c10::DeviceIndex device_index_or_current(c10::DeviceIndex index);

// Called when a device is opened. A child that is forked afterwards has copies of the device's objects, but none of its
// threads, and mutexes that another thread may have held.
void watch_for_fork();

// Whether this process was forked from one that had opened a device.
MOE_API bool in_bad_fork() noexcept;

// Throws in such a process.
MOE_API void check_not_forked();

}  // namespace moe::tt::backend
