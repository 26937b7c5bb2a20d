#pragma once

#include <cstdint>

namespace moe::tt {

// Unsigned integers; no intermediate value overflows, and a result that fits into 64 bits is right.
constexpr uint64_t div_up(uint64_t number, uint64_t divisor) {
  return number / divisor + (number % divisor != 0 ? 1 : 0);
}

constexpr uint64_t round_down(uint64_t number, uint64_t multiple) {
  return number / multiple * multiple;
}

constexpr uint64_t round_up(uint64_t number, uint64_t multiple) {
  return div_up(number, multiple) * multiple;
}

}  // namespace moe::tt
