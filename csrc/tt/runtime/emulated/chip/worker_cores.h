#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tt/runtime/emulated/chip/anonymous_memory.h"
#include "tt/runtime/emulated/chip/chip.h"

namespace moe::tt::runtime::emulated {

// The numbers of pages that were pushed to a circular buffer and popped from it since the launch began.
struct CircularBufferCounters {
  std::atomic<uint32_t> received = 0;
  std::atomic<uint32_t> acked = 0;
};

// The L1 and the circular buffers' counters of all worker cores of a device.
class WorkerCores {
 public:
  explicit WorkerCores(const Chip& chip)
      : l1_size_(chip.properties.l1_size),
        l1_(uint64_t{l1_size_} * chip.properties.num_cores()),
        counters_(chip.properties.num_cores()) {}

  std::byte* l1(uint32_t core) const {
    return l1_.data() + uint64_t{core} * l1_size_;
  }

  CircularBufferCounters& counters(uint32_t core, uint32_t circular_buffer) {
    return counters_[core][circular_buffer];
  }

 private:
  uint32_t l1_size_;
  AnonymousMemory l1_;
  std::vector<std::array<CircularBufferCounters, kNumCircularBuffers>> counters_;
};

}  // namespace moe::tt::runtime::emulated
