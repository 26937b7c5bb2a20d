#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

// The regions of a program in L1. They have the same addresses on each of its cores.
class L1Layout {
 public:
  // A semaphore, or all pages of a circular buffer.
  struct Region {
    uint32_t address = 0;
    uint32_t size = 0;  // 0: no region
    bool is_semaphore = false;
    uint32_t index = 0;

    bool contains(uint64_t first, uint64_t bytes) const {
      return first >= address && first + bytes <= uint64_t{address} + size;
    }
  };
  struct Ring {
    uint32_t address = 0;
    uint32_t page_size = 0;
    uint32_t num_pages = 0;  // 0: the program has no such circular buffer

    uint32_t end() const {
      return address + page_size * num_pages;
    }
  };

  // Device::build has checked that the program fits.
  L1Layout(const Chip& chip, const ProgramDescription& description);

  uint32_t num_semaphores() const {
    return num_semaphores_;
  }
  uint32_t semaphore_address(uint32_t id) const {
    return regions_[id].address;
  }
  const Ring& ring(uint32_t index) const {
    return rings_[index];
  }
  const std::vector<CircularBuffer>& circular_buffers() const {
    return circular_buffers_;
  }

  // The region that contains an address, or an empty one.
  const Region& at(uint32_t address) const {
    uint32_t place = (address - first_) / kL1Alignment;
    return address >= first_ && place < region_of_.size() ? regions_[region_of_[place]] : regions_.back();
  }

  std::string describe() const;

 private:
  uint32_t num_semaphores_;
  std::vector<CircularBuffer> circular_buffers_;
  std::array<Ring, kNumCircularBuffers> rings_;
  std::vector<Region> regions_;     // semaphores first, circular buffers after them, then one that is empty
  uint32_t first_;                  // address
  std::vector<uint8_t> region_of_;  // for each 16 bytes from first_
};

std::string describe(const L1Layout::Region& region);

}  // namespace moe::tt::runtime::emulated
