#pragma once

// NoC addresses have the chips' format: 36 bits of address in a node's memory, then x and y of 6 bits each. A multicast
// address has two nodes. The end of its rectangle stands where a unicast address has its node.

#include <cstdint>

#include "tt/runtime/emulated/chip/chip.h"

namespace moe::tt::runtime::emulated {

inline constexpr uint32_t kNocAddressBits = 36;
inline constexpr uint32_t kNocCoordinateBits = 6;

constexpr uint64_t noc_address(uint32_t x, uint32_t y, uint64_t address) {
  return uint64_t{y} << (kNocAddressBits + kNocCoordinateBits) | uint64_t{x} << kNocAddressBits | address;
}

constexpr uint64_t noc_multicast_address(
    uint32_t x_start, uint32_t y_start, uint32_t x_end, uint32_t y_end, uint64_t address) {
  return noc_address(x_start, y_start, 0) << (2 * kNocCoordinateBits) | noc_address(x_end, y_end, address);
}

constexpr NocCoordinates noc_node(uint64_t noc_address) {
  constexpr uint32_t kMask = (1u << kNocCoordinateBits) - 1;
  return {
      static_cast<uint32_t>(noc_address >> kNocAddressBits) & kMask,
      static_cast<uint32_t>(noc_address >> (kNocAddressBits + kNocCoordinateBits)) & kMask};
}

constexpr NocCoordinates noc_multicast_start(uint64_t noc_address) {
  // After the shift the start's coordinates stand where a node's do.
  return noc_node(noc_address >> (2 * kNocCoordinateBits));
}

constexpr uint64_t noc_local_address(uint64_t noc_address) {
  return noc_address & ((uint64_t{1} << kNocAddressBits) - 1);
}

constexpr bool is_noc_multicast(uint64_t noc_address) {
  return noc_address >> (kNocAddressBits + 2 * kNocCoordinateBits) != 0;
}

}  // namespace moe::tt::runtime::emulated
