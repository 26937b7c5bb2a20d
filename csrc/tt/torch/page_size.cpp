#include "tt/torch/page_size.h"

#include <algorithm>
#include <bit>

namespace moe::tt {
namespace {

constexpr uint64_t kPages = 128;  // about the cores of a chip
constexpr uint64_t kSmallest = 64;
constexpr uint64_t kLargest = 4096;

}  // namespace

uint32_t page_size_for(uint64_t bytes) {
  return static_cast<uint32_t>(std::clamp(std::bit_floor(bytes / kPages), kSmallest, kLargest));
}

}  // namespace moe::tt
