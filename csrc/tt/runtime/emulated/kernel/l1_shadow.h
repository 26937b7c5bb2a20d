#pragma once

#include <cstdint>
#include <optional>

#include "tt/runtime/emulated/chip/anonymous_memory.h"
#include "tt/runtime/emulated/chip/chip.h"

namespace moe::tt::runtime::emulated {

// What each byte of every core's L1 holds: a byte of shadow beside it. A new launch begins with nothing written, at no
// cost, because a shadow tells the launch that it is from.
class L1Shadow {
 public:
  enum ByteState : uint8_t {
    kUnwritten,  // what another launch left
    kWritten,
    kUnwrittenDram,  // what came from DRAM that nobody wrote
    kIncoming0,      // a read on NoC 0 is to bring it
    kIncoming1,
  };

  explicit L1Shadow(const Chip& chip);

  void begin_launch();

  // The place of the first byte of a range that is in another state than kWritten, or the size if none is.
  uint32_t find_other(uint32_t core, uint32_t address, uint32_t size) const;
  ByteState state(uint32_t core, uint32_t address) const;
  void set(uint32_t core, uint32_t address, uint32_t size, ByteState state);

  // What transfers take along: for each byte, 1 if it is written and 0 if it is not.
  void save(uint32_t core, uint32_t address, uint32_t size, uint8_t* written) const;
  void restore(uint32_t core, uint32_t address, uint32_t size, const uint8_t* written, ByteState otherwise);

 private:
  static constexpr uint32_t kStateBits = 3;
  static constexpr uint8_t kLaunches = 1 << (8 - kStateBits);

  uint8_t* at(uint32_t core, uint32_t address) const {
    return reinterpret_cast<uint8_t*>(memory_.data()) + uint64_t{core} * l1_size_ + address;
  }
  uint8_t shadow(ByteState state) const {
    return static_cast<uint8_t>(launch_ << kStateBits | state);
  }

  const uint32_t l1_size_;
  AnonymousMemory memory_;
  uint8_t launch_ = 0;
};

}  // namespace moe::tt::runtime::emulated
