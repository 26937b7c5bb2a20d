#pragma once

#include <cstdint>

namespace moe::tt::backend {

// Bytes of tensors.
struct CopiedBytes {
  uint64_t from_device = 0;
  uint64_t to_device = 0;
};

// What staging.cpp has copied for this thread since it began.
inline CopiedBytes& copied_bytes() {
  thread_local CopiedBytes bytes;
  return bytes;
}

}  // namespace moe::tt::backend
