#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "tt/support/math.h"

namespace moe::tt::launch {

// div_up of numbers whose quotient has 32 bits.
inline uint32_t count_of(uint64_t items, uint64_t each) {
  return static_cast<uint32_t>(div_up(items, each));
}

// A kernel's arguments as the words that it reads.
template <typename Args>
std::span<const uint32_t> words(const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) % sizeof(uint32_t) == 0);
  return {reinterpret_cast<const uint32_t*>(&args), sizeof(Args) / sizeof(uint32_t)};
}

}  // namespace moe::tt::launch
