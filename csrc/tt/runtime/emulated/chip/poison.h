#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace moe::tt::runtime::emulated {

// What stands where nothing was written yet: no id, no count and no address that makes sense.
inline constexpr uint8_t kPoison = 0xA5;

inline void poison(std::byte* memory, uint64_t size) {
  std::memset(memory, kPoison, size);
}

}  // namespace moe::tt::runtime::emulated
