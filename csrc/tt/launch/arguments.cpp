#include "tt/launch/arguments.h"

#include <bit>

#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {

kernels::DramRangeArgs dram_range_args(const runtime::BufferSpan& span) {
  const uint32_t page_size = span.buffer->page_size();
  if (page_size > kernels::kMaxPageSize) {
    throw runtime::DeviceError(
        str("expected a buffer with pages of at most ", kernels::kMaxPageSize, " bytes, got ", page_size));
  }
  return {
      span.buffer->address(),
      static_cast<uint32_t>(std::countr_zero(page_size)),
      static_cast<uint32_t>(span.offset / page_size),
      static_cast<uint32_t>(span.offset % page_size)};
}

uint32_t num_pages(const runtime::BufferSpan& span, uint64_t bytes) {
  return static_cast<uint32_t>(div_up(bytes, span.buffer->page_size()));
}

uint32_t count_of(uint64_t items, uint64_t each) {
  return static_cast<uint32_t>(div_up(items, each));
}

uint32_t whole_rows(const runtime::DeviceProperties& properties, uint32_t cores) {
  const uint32_t columns = properties.grid_x;
  return cores <= columns ? cores : static_cast<uint32_t>(round_up(cores, columns));
}

}  // namespace moe::tt::launch
