#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

namespace moe::tt::launch {

// A kernel's arguments as the words that it reads.
template <typename Args>
std::span<const uint32_t> words(const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) % sizeof(uint32_t) == 0);
  return {reinterpret_cast<const uint32_t*>(&args), sizeof(Args) / sizeof(uint32_t)};
}

}  // namespace moe::tt::launch
