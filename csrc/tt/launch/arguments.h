#pragma once

// What launches compute of buffers and grids for their kernels' arguments.

#include <cstdint>
#include <span>
#include <type_traits>

#include "tt/kernels/common/args.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// Throws DeviceError if the buffer's pages are larger than kernels can take.
kernels::DramRangeArgs dram_range_args(const runtime::BufferSpan& span);

// Pages of the span's buffer that so many bytes fill.
uint32_t num_pages(const runtime::BufferSpan& span, uint64_t bytes);

// The number of cores for a launch that needs at least `cores`: more than a row of them becomes whole rows. So there
// are few different programs, and each runs on a rectangle.
uint32_t whole_rows(const runtime::DeviceProperties& properties, uint32_t cores);

// div_up of numbers whose quotient has 32 bits.
uint32_t count_of(uint64_t items, uint64_t each);

// A kernel's arguments as the words that it reads.
template <typename Args>
std::span<const uint32_t> words(const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) % sizeof(uint32_t) == 0);
  return {reinterpret_cast<const uint32_t*>(&args), sizeof(Args) / sizeof(uint32_t)};
}

}  // namespace moe::tt::launch
