#pragma once

#include <filesystem>
#include <memory>

#include "export.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime {

// The runtime on TT-Metalium is a library of its own beside this one, so that an installation without TT-Metalium
// imports and works.

// Where it is, or would be.
MOE_API std::filesystem::path metal_library();

// Whether it is there.
bool has_metal_library();

// The folder with the kernels' sources, which TT-Metalium compiles. Throws DeviceError if it is not there.
MOE_API std::filesystem::path kernels_folder();

// Loads it. Throws DeviceError if it is not there, does not load or finds no chip.
std::unique_ptr<Runtime> make_metal_runtime();

// The same from a library elsewhere, with the kernels of another folder, by absolute paths.
std::unique_ptr<Runtime> make_metal_runtime(const std::filesystem::path& library, const std::filesystem::path& kernels);

}  // namespace moe::tt::runtime
