#pragma once

// The limits that tt-metal sets on every architecture. Free of torch and of runtime.h, in C++17: device kernels may
// include it.

#include <cstdint>

namespace moe::tt::runtime {

inline constexpr uint32_t kMaxRuntimeArgs = 341;  // of a kernel on one core, its own and the common ones together
inline constexpr uint32_t kMaxCores = 192;        // more than any chip has worker cores
inline constexpr uint32_t kNumSemaphores = 16;
inline constexpr uint32_t kNumCircularBuffers = 32;
inline constexpr uint32_t kNumDataMovementProcessors = 2;
inline constexpr uint32_t kL1Alignment = 16;  // bytes

}  // namespace moe::tt::runtime
