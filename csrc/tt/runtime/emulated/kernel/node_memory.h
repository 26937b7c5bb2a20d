#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace moe::tt::runtime::emulated {

// Memory somewhere on the chip, an end of a transfer.
struct NodeMemory {
  std::byte* memory;
  std::optional<uint32_t> core;  // std::nullopt in DRAM
  uint64_t address;
  bool is_semaphore;
};

}  // namespace moe::tt::runtime::emulated
