#pragma once

#include <cstdint>

#include "l1.h"

namespace moe::tt::kernels {

FORCE_INLINE uint32_t min(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

FORCE_INLINE uint32_t div_up(uint32_t a, uint32_t b) {
  return (a + b - 1) / b;
}

// The half-open range of the items that one of several workers gets when they are divided evenly.
struct WorkSplit {
  uint32_t begin;
  uint32_t end;

  WorkSplit(uint32_t items, uint32_t worker, uint32_t num_workers) {
    const uint32_t each = items / num_workers;
    const uint32_t extra = items - each * num_workers;
    begin = worker * each + (worker < extra ? worker : extra);
    end = begin + each + (worker < extra ? 1 : 0);
  }
};

}  // namespace moe::tt::kernels
