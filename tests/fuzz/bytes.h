#pragma once

// The bytes that libFuzzer thinks of, as numbers. There are zeros behind their end.

#include <cstddef>
#include <cstdint>
#include <span>

namespace fuzz {

class Bytes {
 public:
  explicit Bytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ended() const {
    return bytes_.empty();
  }

  uint8_t next() {
    if (bytes_.empty()) {
      return 0;
    }
    const uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }

  // A number in [least, most].
  uint32_t between(uint32_t least, uint32_t most) {
    const uint64_t count = uint64_t{most} - least + 1;
    uint64_t number = next();
    for (uint64_t reached = 256; reached < count; reached *= 256) {
      number = number * 256 + next();
    }
    return least + static_cast<uint32_t>(number % count);
  }

  bool flag() {
    return (next() & 1) != 0;
  }

  template <typename T, size_t kCount>
  const T& one_of(const T (&values)[kCount]) {
    return values[between(0, kCount - 1)];
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace fuzz
