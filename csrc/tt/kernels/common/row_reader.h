#pragma once

// Rows of a tensor whose pages are rows, put side by side in L1.
//
// Pages i, i + banks, i + 2 * banks, ... of an interleaved buffer follow each other in their bank. So consecutive rows
// are as many reads as there are banks, each of every banks-th row, and not a read a row:
//
//   DRAM    bank 0: rows 0, 3, 6    bank 1: rows 1, 4, 7    bank 2: rows 2, 5
//   stage   0 3 6 1 4 7 2 5, each with its padding
//   target  0 1 2 3 4 5 6 7, without

#include <cstdint>

#include "args.h"
#include "dram_range.h"
#include "l1.h"
#include "work_split.h"

namespace moe::tt::kernels {

template <uint32_t kTensor>
class RowReader {
 public:
  // `stage` is a multiple of kAlignment with kMaxPageSize bytes.
  RowReader(const tt_l1_ptr DramRangeArgs& args, uint32_t stage) : args_(args), stage_(stage) {}

  // Rows that a stage has space for.
  uint32_t max_rows() const {
    return kMaxPageSize / args_.page_size;
  }

  // Starts reading the rows [first, first + count) into the stage, done at the next read_barrier().
  void start_reading(uint32_t first, uint32_t count) const {
    const auto accessor = TensorAccessor(typename Range::AccessorArgs(), args_.address, args_.page_size);
    const uint32_t banks = Range::num_banks();
    uint32_t address = stage_;
    for (uint32_t bank = 0; bank < min(banks, count); ++bank) {
      const uint32_t size = div_up(count - bank, banks) * args_.page_size;
      noc_async_read<kMaxPageSize>(accessor.get_noc_addr(args_.first_page + first + bank), address, size);
      address += size;
    }
  }

  // Starts reading every step-th row from `first` on into the stage, with their padding. Where the step is the number
  // of banks, they are in one, and read at once.
  void start_reading(uint32_t first, uint32_t step, uint32_t count) const {
    const auto accessor = TensorAccessor(typename Range::AccessorArgs(), args_.address, args_.page_size);
    const uint32_t page = args_.first_page + first;
    if (step == Range::num_banks()) {
      noc_async_read<kMaxPageSize>(accessor.get_noc_addr(page), stage_, count * args_.page_size);
      return;
    }
    for (uint32_t i = 0; i < count; ++i) {
      noc_async_read<kMaxPageSize>(accessor.get_noc_addr(page + i * step), row(i), args_.page_size);
    }
  }

  // Where the i-th row of those is.
  FORCE_INLINE uint32_t row(uint32_t i) const {
    return stage_ + i * args_.page_size;
  }

  // Copies the bytes [skipped, skipped + taken) of the rows that were read, without padding, to an address.
  void unpack(uint32_t num_rows, uint32_t skipped, uint32_t taken, uint32_t target) const {
    const uint32_t row_size = args_.row_size;
    const bool words = (row_size | skipped | taken | target) % sizeof(uint32_t) == 0;
    if (words && taken == num_rows * row_size) {
      for_each_row(
          num_rows, [&](uint32_t source, uint32_t begin) { copy<uint32_t>(source, target + begin, row_size); });
      return;
    }
    for_each_row(num_rows, [&](uint32_t source, uint32_t begin) {
      const uint32_t from = begin < skipped ? skipped : begin;
      const uint32_t size = min(begin + row_size, skipped + taken) - from;
      if (words) {
        copy<uint32_t>(source + (from - begin), target + (from - skipped), size);
      } else {
        copy<uint16_t>(source + (from - begin), target + (from - skipped), size);
      }
    });
  }

 private:
  using Range = DramRange<kTensor>;

  // Calls `visit(address, begin)` with each row's place in the stage, and where it begins among the rows without
  // padding.
  template <typename Visit>
  FORCE_INLINE void for_each_row(uint32_t num_rows, const Visit& visit) const {
    const uint32_t banks = Range::num_banks();
    const uint32_t end = num_rows * args_.row_size;
    const uint32_t step = banks * args_.row_size;
    const uint32_t stride = args_.page_size;
    uint32_t source = stage_;
    uint32_t bank_begin = 0;
    for (uint32_t bank = 0; bank < min(banks, num_rows); ++bank, bank_begin += args_.row_size) {
      for (uint32_t begin = bank_begin; begin < end; begin += step, source += stride) {
        visit(source, begin);
      }
    }
  }

  const tt_l1_ptr DramRangeArgs& args_;
  const uint32_t stage_;
};

}  // namespace moe::tt::kernels
