#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tt/runtime/emulated/chip/dram.h"

namespace moe::tt::runtime::emulated {

// The DRAM buffers that a launch may touch.
class DramView {
 public:
  // The launch writes the first `num_written` buffers and reads the others.
  DramView(const Dram& dram, std::span<const std::shared_ptr<DramBuffer>> buffers, uint64_t num_written);

  // The memory of `size` bytes at an address of a bank, to read or to write. Throws DeviceError unless all are in one
  // page of one buffer, or whole pages of it, which follow each other in the bank, and the launch writes what it says.
  std::byte* at(uint32_t bank, uint64_t address, uint64_t size, bool to_write) const;

  // As Dram's.
  uint8_t* written(const std::byte* memory) const {
    return dram_.written(memory);
  }
  // Where the memory is among that of all banks, one after the other.
  uint64_t place(const std::byte* memory) const {
    return static_cast<uint64_t>(memory - dram_.at(0, 0));
  }

 private:
  struct Use {
    const DramBuffer* buffer;
    bool is_written;
  };

  const Dram& dram_;
  std::vector<Use> uses_;  // by address
};

}  // namespace moe::tt::runtime::emulated
