#pragma once

#include <ATen/core/Generator.h>

#include "export.h"

namespace moe::tt::backend {

// A new generator of random numbers for a device. It wraps PyTorch's CPU generator, since random operators fall back to
// the CPU: one seed gives the same numbers on both.
at::Generator make_generator(c10::DeviceIndex index);

// The generator of operators that are given none; -1 is the current device.
MOE_API const at::Generator& default_generator(c10::DeviceIndex index);

// The CPU generator that it wraps. Throws if it is no tt generator.
at::Generator host_generator(const at::Generator& generator);

}  // namespace moe::tt::backend
