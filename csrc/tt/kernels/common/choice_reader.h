#pragma once

// The router's choices as kernels read them.

#include <cstdint>
#include <type_traits>

#include "../../../contract/choices.h"
#include "../../../contract/row_map.h"
#include "args.h"
#include "dram_range.h"
#include "invalid_id.h"
#include "l1.h"
#include "row_reader.h"

namespace moe::tt::kernels {

// Weights are only ever moved: unsigned integers of their size.
template <uint32_t kBytes>
using Bits = std::conditional_t<kBytes == 2, uint16_t, uint32_t>;

// A slice of the choices in L1, and where they go: `Rows` is a row map. (It is a base, since as a member it would have
// a size where it is empty.)
template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
class ChoiceReader : private Rows {
 public:
  // The addresses are multiples of kAlignment with elements_scratch() bytes of so many choices.
  ChoiceReader(const ChoicesArgs& args, const Rows& row_map, uint32_t ids, uint32_t weights)
      : Rows(row_map), args_(args), ids_address_(ids), weights_address_(weights), limit_(args.id_limit) {}

  // Starts reading the choices [begin, end) of those from `first` on. Their numbers are those from `first` on, whoever
  // reads the others.
  FORCE_INLINE void start_reading(uint32_t first, uint32_t end, uint32_t begin = 0) {
    if (has_row_pages()) {
      ids_ = l1_pointer<Word>(ids_address_);
      weights_ = l1_pointer<Bits<kWeightSize>>(weights_address_);
      return;
    }
    look_at(
        start_reading<kIdSize>(DramRange<kIds>(args_.ids), ids_address_, first, end, begin),
        start_reading<kWeightSize>(DramRange<kWeights>(args_.weights), weights_address_, first, end, begin));
  }

  // Ends reading those choices. Where pages are rows, `rows` is a multiple of kAlignment with kRowsScratch bytes of L1.
  FORCE_INLINE void finish_reading(uint32_t first, uint32_t end, uint32_t rows, uint32_t begin = 0) const {
    if (has_row_pages()) {
      read_rows(first, begin, end, rows);
    } else {
      read_barrier();
    }
  }

  // From here on the choices are those at these addresses, whoever read them.
  FORCE_INLINE void look_at(uint32_t ids_address, uint32_t weights_address) {
    ids_ = l1_pointer<Word>(ids_address);
    weights_ = l1_pointer<Bits<kWeightSize>>(weights_address);
  }

  // Calls `placed(row)` for an expert that has one, `invalid(low, high)` for an id out of range, and neither for "no
  // expert".
  template <typename Placed, typename Invalid>
  FORCE_INLINE void visit_id(uint32_t i, const Placed& placed, const Invalid& invalid) const {
    const uint32_t low = low_word(ids_, i);
    const uint32_t high = high_word(ids_, i);
    if (__builtin_expect(is_expert(low, high, limit_), true)) {
      const uint32_t row = Rows::row_of(low);
      if (Rows::has_row(row)) {
        placed(row);
      }
    } else if (!is_no_expert(low, high)) {
      invalid(low, high);
    }
  }

  // Does so for each choice in [begin, end), with few instructions a choice: calls `placed(i, row)` or `invalid()`.
  template <typename Placed, typename Invalid>
  FORCE_INLINE void visit_ids(uint32_t begin, uint32_t end, const Placed& placed, const Invalid& invalid) const {
    const auto visit = [&](uint32_t i) {
      visit_id(i, [&](uint32_t row) { placed(i, row); }, [&](uint32_t, uint32_t) { invalid(); });
    };
    // Unrolled by hand: the compiler's unrolling costs more before the loop than it saves for a token's few choices.
    uint32_t i = begin;
    for (; i + 4 <= end; i += 4) {
      visit(i);
      visit(i + 1);
      visit(i + 2);
      visit(i + 3);
    }
    for (; i < end; ++i) {
      visit(i);
    }
  }

  // The same for the next choices, with their weights: calls `placed(row, weight)` or `invalid()`.
  template <typename Placed, typename Invalid>
  FORCE_INLINE void visit_next(uint32_t count, const Placed& placed, const Invalid& invalid) {
    const auto visit = [&](uint32_t i) {
      visit_id(i, [&](uint32_t row) { placed(row, weights_[i]); }, [&](uint32_t, uint32_t) { invalid(); });
    };
    for (; count >= 4; count -= 4) {
      visit(0);
      visit(1);
      visit(2);
      visit(3);
      ids_ += 4 * kWords;
      weights_ += 4;
    }
    for (; count > 0; --count) {
      visit(0);
      ids_ += kWords;
      ++weights_;
    }
  }

  // Records the invalid ids among so many choices that were visited last, of those from `first` on.
  FORCE_INLINE void record_visited(uint32_t first, uint32_t count, InvalidId& invalid_id) const {
    record_invalid(ids_ + -static_cast<int32_t>(count * kWords), limit_, first, count, invalid_id, 0);
  }

  // Records the invalid ids among the choices [begin, end), of those from `first` on. For when there are some.
  FORCE_INLINE void record_invalid(uint32_t first, uint32_t end, InvalidId& invalid_id, uint32_t begin = 0) const {
    record_invalid(ids_, limit_, first, end, invalid_id, begin);
  }

  // Calls `found(i, row)` for each choice in [begin, end) for whose expert's row `wanted(row)` is true. Most are not,
  // and cost few instructions each, where many are looked at at once. Without a table, an id that is no expert is taken
  // for a row, which is not below row_limit().
  template <uint32_t kAtOnce, typename Wanted, typename Found>
  FORCE_INLINE void find(uint32_t begin, uint32_t end, const Wanted& wanted, const Found& found) const {
    L1Pointer<Word> ids = ids_ + begin * kWords;
    const auto look_at = [&](uint32_t i, uint32_t ahead) {
      const uint32_t id = ids[ahead * kWords];
      if (kHasTable && id >= limit_) {
        return;
      }
      const uint32_t row = Rows::row_of(id);
      if (wanted(row) && (kWords == 1 || ids[ahead * kWords + 1] == 0)) {
        found(i + ahead, row);
      }
    };
    uint32_t i = begin;
    for (; i + kAtOnce <= end; i += kAtOnce, ids += kAtOnce * kWords) {
#pragma GCC unroll 32
      for (uint32_t ahead = 0; ahead < kAtOnce; ++ahead) {
        look_at(i, ahead);
      }
    }
    for (; i < end; ++i, ids += kWords) {
      look_at(i, 0);
    }
  }

  // The row of a choice whose expert has one.
  FORCE_INLINE uint32_t row(uint32_t i) const {
    return Rows::row_of(static_cast<uint32_t>(ids_[i * kWords]));
  }

  FORCE_INLINE Bits<kWeightSize> weight(uint32_t i) const {
    return weights_[i];
  }

 private:
  // A 64-bit id is two words.
  using Word = std::conditional_t<kIdSize == 2, uint16_t, uint32_t>;
  static constexpr uint32_t kWords = kIdSize == 8 ? 2 : 1;
  static constexpr bool kHasTable = !std::is_same_v<Rows, RowMap>;

  static FORCE_INLINE uint32_t low_word(const L1Pointer<Word>& ids, uint32_t i) {
    return ids[i * kWords];
  }

  static FORCE_INLINE uint32_t high_word(const L1Pointer<Word>& ids, uint32_t i) {
    return kWords == 2 ? ids[i * kWords + 1] : 0;
  }

  static FORCE_INLINE bool is_expert(uint32_t low, uint32_t high, uint32_t limit) {
    return high == 0 && low < limit;
  }

  // "No expert" has all 64 bits set, or all of its narrower word.
  static FORCE_INLINE bool is_no_expert(uint32_t low, uint32_t high) {
    return (kWords == 2 ? low & high : low) == kNoExpert<Word>;
  }

  // No reader's: it would not be in registers then.
  [[gnu::noinline, gnu::cold]] static void record_invalid(
      L1Pointer<Word> ids, uint32_t limit, uint32_t first, uint32_t end, InvalidId& invalid_id, uint32_t begin) {
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t low = low_word(ids, i);
      const uint32_t high = high_word(ids, i);
      if (!is_expert(low, high, limit) && !is_no_expert(low, high)) {
        invalid_id.record(first + i, low, high);
      }
    }
  }

  // Returns where the choice `first` is.
  template <uint32_t kSize, typename Memory>
  static FORCE_INLINE uint32_t
  start_reading(const Memory& memory, uint32_t scratch, uint32_t first, uint32_t end, uint32_t begin) {
    const uint32_t address = scratch + memory.template element<kSize>(first).misalignment();
    const auto place = memory.template element<kSize>(first + begin);
    memory.read(place, (end - begin) * kSize, address + begin * kSize - place.misalignment());
    return address;
  }

  // Reads choices, a stage of their tokens' rows at a time, and puts them side by side.
  [[gnu::noinline]] void read_rows(uint32_t first, uint32_t begin, uint32_t end, uint32_t rows) const {
    const uint32_t top_k = args_.top_k;
    const RowReader<kIds> ids(args_.ids, rows);
    const RowReader<kWeights> weights(args_.weights, rows + kMaxPageSize);
    const uint32_t stage = min(ids.max_rows(), weights.max_rows());
    uint32_t row = (first + begin) / top_k;
    for (uint32_t next = first + begin; next < first + end;) {
      const uint32_t row_first = row * top_k;
      const uint32_t stage_end = min(row_first + stage * top_k, first + end);
      const uint32_t num_rows = div_up(stage_end - row_first, top_k);
      ids.start_reading(row, num_rows);
      weights.start_reading(row, num_rows);
      read_barrier();
      // The first row's first choices may be those of the slice before.
      const uint32_t skipped = next - row_first;
      const uint32_t taken = stage_end - next;
      ids.unpack(num_rows, skipped * kIdSize, taken * kIdSize, ids_address_ + (next - first) * kIdSize);
      weights.unpack(
          num_rows, skipped * kWeightSize, taken * kWeightSize, weights_address_ + (next - first) * kWeightSize);
      next = stage_end;
      row += stage;
    }
  }

  const ChoicesArgs& args_;
  uint32_t ids_address_;
  uint32_t weights_address_;
  uint32_t limit_;
  L1Pointer<Word> ids_ = l1_pointer<Word>(0);
  L1Pointer<Bits<kWeightSize>> weights_ = l1_pointer<Bits<kWeightSize>>(0);
};

}  // namespace moe::tt::kernels
