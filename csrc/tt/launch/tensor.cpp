#include "tt/launch/tensor.h"

#include <bit>
#include <limits>

#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max() - kernels::kMaxPageSize;

}  // namespace

Tensor flat_tensor(const runtime::BufferSpan& span) {
  const uint32_t page_size = span.buffer->page_size();
  if (!std::has_single_bit(page_size) || page_size > kernels::kMaxPageSize) {
    throw runtime::DeviceError(
        str("expected a buffer with pages of a power of two of at most ",
            kernels::kMaxPageSize,
            " bytes, got ",
            page_size));
  }
  kernels::DramRangeArgs range{};
  range.address = span.buffer->address();
  range.page_size = page_size;
  range.page_size_log2 = static_cast<uint32_t>(std::countr_zero(page_size));
  return {span.buffer, from_byte(range, span.offset)};
}

Tensor row_tensor(uint32_t address, uint32_t row_size, uint32_t row_stride) {
  kernels::DramRangeArgs range{};
  range.address = address;
  range.row_size = row_size;
  range.page_size = row_stride;
  return {nullptr, range};
}

Tensor row_tensor(const std::shared_ptr<runtime::Buffer>& buffer, uint32_t row_size) {
  return {buffer, row_tensor(buffer->address(), row_size, buffer->page_size()).range};
}

kernels::DramRangeArgs from_byte(const kernels::DramRangeArgs& range, uint64_t bytes) {
  const uint64_t in_page = range.row_size == 0 ? range.page_size : range.row_size;
  const uint64_t first = range.first_page * in_page + range.first_byte + bytes;
  kernels::DramRangeArgs moved = range;
  moved.first_page = static_cast<uint32_t>(first / in_page);
  moved.first_byte = static_cast<uint32_t>(first % in_page);
  return moved;
}

bool is_countable(uint64_t rows, uint64_t columns) {
  return columns == 0 || rows <= kMost / columns;
}

void check_countable(uint64_t rows, uint64_t columns) {
  if (!is_countable(rows, columns)) {
    throw runtime::DeviceError(
        str("expected at most ",
            kMost,
            " elements of a tensor, got ",
            rows,
            " rows of ",
            columns,
            "; route the tokens in several calls"));
  }
}

}  // namespace moe::tt::launch
