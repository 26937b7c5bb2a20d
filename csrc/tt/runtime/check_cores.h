#pragma once

#include <cstdint>

#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {

// Throws DeviceError unless cores are one or more of those that are available, which `what` describes.
inline void check_cores(const Cores& cores, const Cores& available, const char* what) {
  const uint64_t end = uint64_t{cores.first} + cores.count;
  if (cores.count == 0 || cores.first < available.first || end > uint64_t{available.first} + available.count) {
    throw DeviceError(
        str("expected one core or more of the ",
            available.count,
            " from core ",
            available.first,
            " on (",
            what,
            "), got ",
            cores.count,
            " from core ",
            cores.first,
            " on"));
  }
}

// Throws DeviceError where a kernel leaves the program's cores, or has not run-time arguments for each of its own.
inline void check_kernel(const Kernel& kernel, const Cores& program) {
  check_cores(kernel.cores, program, "the program's");
  if (kernel.runtime_args.size() != kernel.cores.count) {
    throw DeviceError(
        str("expected run-time arguments for each of its ",
            kernel.cores.count,
            " cores, got them for ",
            kernel.runtime_args.size()));
  }
}

}  // namespace moe::tt::runtime
