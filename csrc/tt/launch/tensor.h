#pragma once

// A launch's tensors.

#include <cstdint>
#include <memory>

#include "export.h"
#include "tt/kernels/common/args.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// A tensor's elements in device memory. All tensors of a launch have pages of one kind.
struct Tensor {
  std::shared_ptr<runtime::Buffer> buffer;  // keeps the memory; null where someone else does
  kernels::DramRangeArgs range;

  kernels::PageKind pages() const {
    return range.row_size == 0 ? kernels::kFlatPages : kernels::kRowPages;
  }
};

// Elements that follow each other in a buffer. Throws DeviceError if kernels cannot take its pages.
Tensor flat_tensor(const runtime::BufferSpan& span);

// Rows of so many bytes, a page each: ttnn's ROW_MAJOR layout. `row_stride` is the padded row, as the chip aligns it.
// The memory may be someone else's.
MOE_API Tensor row_tensor(uint32_t address, uint32_t row_size, uint32_t row_stride);
Tensor row_tensor(const std::shared_ptr<runtime::Buffer>& buffer, uint32_t row_size);

// The range from so many bytes of elements on, which begin a row where pages are rows that have the bytes of several.
kernels::DramRangeArgs from_byte(const kernels::DramRangeArgs& range, uint64_t bytes);

// Whether kernels can number the elements of a matrix, and those of its last page after them.
bool is_countable(uint64_t rows, uint64_t columns);
// Throws DeviceError unless they can.
void check_countable(uint64_t rows, uint64_t columns);

}  // namespace moe::tt::launch
