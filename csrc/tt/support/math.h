#pragma once

#include <cstdint>

namespace moe::tt {

// For what fits into 32 bits.
constexpr uint32_t div_up(uint64_t a, uint64_t b) {
  return static_cast<uint32_t>((a + b - 1) / b);
}

constexpr uint64_t round_down(uint64_t number, uint64_t multiple) {
  return number / multiple * multiple;
}

constexpr uint64_t round_up(uint64_t number, uint64_t multiple) {
  return round_down(number + multiple - 1, multiple);
}

}  // namespace moe::tt
