#pragma once

#include <cstdint>

#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {

// Throws DeviceError unless a buffer holds these bytes.
inline void check_range(const Buffer& buffer, uint64_t offset, uint64_t size) {
  if (offset > buffer.size() || size > buffer.size() - offset) {
    throw DeviceError(
        str("expected a range inside the buffer's ", buffer.size(), " bytes, got ", size, " bytes from byte ", offset));
  }
}

}  // namespace moe::tt::runtime
