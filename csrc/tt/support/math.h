#pragma once

#include <cstdint>

namespace moe::tt {

// For what fits into 32 bits.
constexpr uint32_t div_up(uint64_t a, uint64_t b) {
  return static_cast<uint32_t>((a + b - 1) / b);
}

}  // namespace moe::tt
