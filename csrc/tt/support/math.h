#pragma once

#include <cstdint>

namespace moe::tt {

constexpr uint64_t div_up(uint64_t a, uint64_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}

constexpr uint64_t round_down(uint64_t number, uint64_t multiple) {
  return number / multiple * multiple;
}

constexpr uint64_t round_up(uint64_t number, uint64_t multiple) {
  return round_down(number + multiple - 1, multiple);
}

}  // namespace moe::tt
