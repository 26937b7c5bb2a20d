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

template <uint32_t kTensor, typename Element>
class RowReader {
 public:
  // `stage` is a multiple of kAlignment with kMaxPageSize bytes.
  RowReader(const tt_l1_ptr DramRangeArgs& args, uint32_t width, uint32_t stage)
      : args_(args), width_(width), stage_(stage) {}

  // Rows that a stage has space for.
  uint32_t max_rows() const {
    return kMaxPageSize / args_.row_stride;
  }

  // Starts reading the rows [first, first + count) into the stage, done at the next read_barrier().
  void start_reading(uint32_t first, uint32_t count) const {
    const auto accessor = TensorAccessor(typename Range::AccessorArgs(), args_.address, args_.row_stride);
    const uint32_t banks = num_banks();
    uint32_t address = stage_;
    for (uint32_t bank = 0; bank < min(banks, count); ++bank) {
      const uint32_t size = div_up(count - bank, banks) * args_.row_stride;
      noc_async_read<kMaxPageSize>(accessor.get_noc_addr(args_.first_page + first + bank), address, size);
      address += size;
    }
  }

  // Copies the elements [skipped, skipped + taken) of the rows that were read to where they follow each other.
  void unpack(uint32_t num_rows, uint32_t skipped, uint32_t taken, L1Pointer<Element> target) const {
    const uint32_t banks = num_banks();
    const uint32_t end = skipped + taken;
    uint32_t source = stage_;
    for (uint32_t bank = 0; bank < min(banks, num_rows); ++bank) {
      for (uint32_t row = bank; row < num_rows; row += banks, source += args_.row_stride) {
        const uint32_t row_begin = row * width_;
        const uint32_t from = row_begin < skipped ? skipped : row_begin;
        const uint32_t to = min(row_begin + width_, end);
        copy(l1_pointer<Element>(source) + (from - row_begin), target + (from - skipped), to - from);
      }
    }
  }

 private:
  using Range = DramRange<kTensor>;

  static uint32_t num_banks() {
    if (Range::AccessorArgs::is_dram) {
      return NUM_DRAM_BANKS;
    }
    return NUM_L1_BANKS;
  }

  static FORCE_INLINE void copy(L1Pointer<Element> source, L1Pointer<Element> target, uint32_t count) {
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4, source += 4, target += 4) {
      const Element first = source[0];
      const Element second = source[1];
      const Element third = source[2];
      const Element fourth = source[3];
      target[0] = first;
      target[1] = second;
      target[2] = third;
      target[3] = fourth;
    }
    for (; i < count; ++i, ++source, ++target) {
      *target = *source;
    }
  }

  const tt_l1_ptr DramRangeArgs& args_;
  const uint32_t width_;
  const uint32_t stage_;
};

}  // namespace moe::tt::kernels
