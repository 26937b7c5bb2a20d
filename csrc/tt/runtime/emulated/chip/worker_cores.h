#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tt/runtime/emulated/chip/anonymous_memory.h"
#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/kernel/condition.h"

namespace moe::tt::runtime::emulated {

// What the worker cores of a device keep from launch to launch.
class Tensix {
 public:
  explicit Tensix(const Chip& chip)
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
  Mapping l1_;
  std::vector<std::array<CircularBufferCounters, kNumCircularBuffers>> counters_;
};

}  // namespace moe::tt::runtime::emulated
