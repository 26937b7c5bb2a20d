#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace moe::tt::runtime::emulated {

// Fills memory that was not written yet. As an id, a count or an address it makes no sense, so reading it shows.
inline constexpr uint8_t kPoison = 0xA5;

inline void poison(std::byte* memory, uint64_t size) {
  std::memset(memory, kPoison, size);
}

}  // namespace moe::tt::runtime::emulated
