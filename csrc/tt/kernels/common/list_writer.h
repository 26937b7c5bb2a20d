#pragma once

#include <cstdint>

#include "dram_range.h"
#include "l1.h"
#include "work_split.h"
#include "worker.h"

namespace moe::tt::kernels {

// Puts the next element of a row's run, whose cursor says where it goes.
template <typename Element>
FORCE_INLINE void put(const L1Pointer<uint32_t>& cursors, uint32_t row, Element element) {
  const uint32_t address = cursors[row];
  *l1_pointer<Element>(address) = element;
  cursors[row] = address + sizeof(Element);
}

// Writes one of the routing's lists, tokens or weights. What a worker has for a row is a run: elements of consecutive
// ranks in the row. Runs are reserved in L1, filled element by element, and written.
template <uint32_t kList, typename Element>
class ListWriter {
 public:
  // Of the rows from first_row on. `cursors` has a word of L1 for each, `runs` is a multiple of kAlignment with
  // runs_scratch() bytes.
  ListWriter(
      const tt_l1_ptr DramRangeArgs& list, uint32_t row_width, uint32_t first_row, uint32_t cursors, uint32_t runs)
      : list_(list),
        row_width_(row_width),
        first_row_(first_row),
        cursors_(l1_pointer<uint32_t>(cursors)),
        runs_(runs),
        end_(runs) {}

  // The runs that were reserved have left L1, or are no longer needed.
  void forget_runs() {
    end_ = runs_;
  }

  // Reserves a run: the elements of a row from a rank on.
  FORCE_INLINE void reserve(uint32_t row, uint32_t rank, uint32_t count) {
    const uint32_t begin = align_up(end_, kAlignment) + place(row, rank).misalignment();
    cursors_[row] = begin;
    end_ = begin + count * sizeof(Element);
  }

  // Where the row's next element goes, of those whose runs are reserved.
  FORCE_INLINE L1Pointer<uint32_t> cursors() const {
    return cursors_;
  }

  // Starts writing a run that was reserved and is full, as far as the row has room.
  FORCE_INLINE void write(uint32_t row, uint32_t rank, uint32_t count) const {
    const uint32_t source = cursors_[row] - count * sizeof(Element);
    if (has_max_tokens()) {
      if (rank >= row_width_) {
        return;
      }
      count = min(count, row_width_ - rank);
    }
    list_.write(place(row, rank), count * sizeof(Element), source);
  }

  // Bytes of padding in L1 that pad() takes for so many elements.
  uint32_t padding_size(uint32_t num_elements) const {
    const uint32_t most = list_.max_transfer();
    const uint32_t elements = most / sizeof(Element);
    return num_elements < elements ? min(elements_scratch(num_elements, sizeof(Element)), most) : most;
  }

  // Starts writing padding to the elements [begin, end) of the list that rows have not taken: `count_of(row)` is what a
  // row of the list has, and those from num_rows on have nothing.
  template <typename CountOf>
  FORCE_INLINE void pad(
      uint32_t begin, uint32_t end, uint32_t num_rows, uint32_t padding_page, const CountOf& count_of) const {
    uint32_t row = begin / row_width_;
    uint32_t row_begin = row * row_width_;
    // A row without elements is part of one run of padding with the rows around it.
    for (; row < num_rows && row_begin < end; ++row, row_begin += row_width_) {
      const uint32_t count = count_of(row);
      if (count > 0) {
        write_padding(begin, min(row_begin, end), padding_page);
        const uint32_t padding_begin = row_begin + count;
        begin = begin < padding_begin ? padding_begin : begin;
      }
    }
    write_padding(begin, end, padding_page);
  }

 private:
  FORCE_INLINE auto place(uint32_t row, uint32_t rank) const {
    return list_.template element<sizeof(Element)>(first_row_ + row, rank, row_width_);
  }

  FORCE_INLINE void write_padding(uint32_t begin, uint32_t end, uint32_t padding_page) const {
    if (begin < end) {
      list_.write_constant(
          list_.template element<sizeof(Element)>(begin), (end - begin) * sizeof(Element), padding_page);
    }
  }

  DramRange<kList, DramRangeArgs> list_;
  uint32_t row_width_;
  uint32_t first_row_;
  L1Pointer<uint32_t> cursors_;
  uint32_t runs_;
  uint32_t end_;
};

}  // namespace moe::tt::kernels
