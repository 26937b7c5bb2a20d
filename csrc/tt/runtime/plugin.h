#pragma once

#include <memory>

#include "tt/runtime/runtime.h"

namespace moe::tt::runtime {

// The runtime on TT-Metalium is a library of its own beside this one, so that an installation without TT-Metalium
// imports and works.

// Whether it is there.
bool has_metal_library();

// Loads it. Throws DeviceError where it is not there, does not load or finds no chip.
std::unique_ptr<Runtime> make_metal_runtime();

}  // namespace moe::tt::runtime
