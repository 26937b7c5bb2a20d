#pragma once

// The one function of libmoe_tt_metal.so, as it and what loads it agree on it.

#include "tt/runtime/runtime.h"

namespace moe::tt::runtime {

// Takes the absolute path of the folder with the kernels. The caller owns what it returns. Throws DeviceError where
// there is no chip.
using MakeMetalRuntime = Runtime* (*)(const char* kernels);

inline constexpr const char* kMakeMetalRuntime = "moe_tt_make_metal_runtime";

}  // namespace moe::tt::runtime
