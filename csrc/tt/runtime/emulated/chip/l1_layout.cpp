#include "tt/runtime/emulated/chip/l1_layout.h"

#include <algorithm>

#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

constexpr uint32_t kSemaphoreSize = 4;

}  // namespace

L1Layout::L1Layout(const Chip& chip, const ProgramDescription& description)
    : num_semaphores_(static_cast<uint32_t>(description.semaphores.size())),
      circular_buffers_(description.circular_buffers),
      first_(chip.l1_semaphores) {
  for (uint32_t id = 0; id < num_semaphores_; ++id) {
    regions_.push_back({chip.l1_semaphores + id * kSemaphoreStride, kSemaphoreSize, true, id});
  }
  uint64_t address = chip.properties.l1_unreserved;
  for (const CircularBuffer& buffer : circular_buffers_) {
    uint64_t size = uint64_t{buffer.page_size} * buffer.num_pages;
    address = round_up(address, chip.properties.dram_alignment);  // as tt-metal does
    rings_[buffer.index] = {static_cast<uint32_t>(address), buffer.page_size, buffer.num_pages};
    regions_.push_back({static_cast<uint32_t>(address), static_cast<uint32_t>(size), false, buffer.index});
    address += size;
  }
  regions_.push_back({});

  region_of_.assign((address - first_) / kL1Alignment, static_cast<uint8_t>(regions_.size() - 1));
  for (size_t i = 0; i + 1 < regions_.size(); ++i) {
    uint64_t begin = (regions_[i].address - first_) / kL1Alignment;
    uint64_t places = round_up(regions_[i].size, kL1Alignment) / kL1Alignment;
    std::fill_n(region_of_.begin() + begin, places, static_cast<uint8_t>(i));
  }
}

std::string L1Layout::describe() const {
  std::string list;
  for (size_t i = 0; i + 1 < regions_.size(); ++i) {
    list += str(i == 0 ? "" : ", ", emulated::describe(regions_[i]));
  }
  return list.empty() ? "nothing" : list;
}

std::string describe(const L1Layout::Region& region) {
  return str(
      region.is_semaphore ? "semaphore " : "circular buffer ",
      region.index,
      " [",
      region.address,
      ", ",
      uint64_t{region.address} + region.size,
      ")");
}

}  // namespace moe::tt::runtime::emulated
