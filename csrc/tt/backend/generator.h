#pragma once

#include <ATen/core/Generator.h>

#include "export.h"

namespace moe::tt::backend {

// A device's generator of random numbers: PyTorch's CPU generator, for random operators fall back to the CPU. The same
// seed gives the same numbers on both.
at::Generator make_generator(c10::DeviceIndex index);

// The one that operators use which are given none; -1 is the current device.
MOE_API const at::Generator& default_generator(c10::DeviceIndex index);

// What CPU kernels can draw from in its place. Throws where the generator is no tt generator.
at::Generator host_generator(const at::Generator& generator);

}  // namespace moe::tt::backend
