#pragma once

// The device under test, and what its kernels want to know of buffers.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "tt/runtime/runtime.h"

namespace testing {

// Device 0 of the runtime that TORCH_TT_RUNTIME names: "emulated", also where it is not set, or "metal".
std::unique_ptr<moe::tt::runtime::Device> open_device();

// A device of another runtime object: nothing of it fits the device under test.
std::unique_ptr<moe::tt::runtime::Device> open_other_device();

// A program of one kernel without arguments on core 0.
moe::tt::runtime::ProgramDescription nothing();

// Copies all pages of a buffer of the device on one core.
moe::tt::runtime::ProgramDescription copy(
    const moe::tt::runtime::Device& device, const moe::tt::runtime::Buffer& source);

// The common arguments of that program.
std::vector<uint32_t> copy_args(const moe::tt::runtime::Buffer& source, const moe::tt::runtime::Buffer& target);

}  // namespace testing
