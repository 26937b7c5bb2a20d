#pragma once

// The router's choices as kernels read them.

#include <cstdint>
#include <type_traits>

#include "../../../contract/choices.h"
#include "../../../contract/row_map.h"
#include "args.h"
#include "dram_range.h"
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
  // `address` is a multiple of kAlignment with choices_scratch(capacity, kIdSize, kWeightSize) bytes.
  ChoiceReader(const ChoicesArgs& args, const Rows& row_map, uint32_t address, uint32_t capacity)
      : Rows(row_map),
        ids_memory_(args.ids),
        weights_memory_(args.weights),
        ids_address_(address),
        weights_address_(address + elements_scratch(capacity, kIdSize)),
        limit_(args.id_limit) {}

  // Starts reading the choices [begin, end) of those from `first` on. Their numbers are those from `first` on, whoever
  // reads the others.
  void start_reading(uint32_t first, uint32_t end, uint32_t begin = 0) {
    if (has_row_pages()) {
      ids_ = l1_pointer<Word>(ids_address_);
      weights_ = l1_pointer<Bits<kWeightSize>>(weights_address_);
      return;
    }
    ids_ = l1_pointer<Word>(start_reading<kIdSize>(ids_memory_, first, end, begin, ids_address_));
    weights_ =
        l1_pointer<Bits<kWeightSize>>(start_reading<kWeightSize>(weights_memory_, first, end, begin, weights_address_));
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
    const uint32_t low = ids_[i * kWords];
    const uint32_t high = kWords == 2 ? ids_[i * kWords + 1] : 0;
    // "No expert" has all 64 bits set, or all of its narrower word.
    if (__builtin_expect(high == 0 && low < limit_, true)) {
      const uint32_t row = Rows::row_of(low);
      if (Rows::has_row(row)) {
        placed(row);
      }
    } else if ((kWords == 2 ? low & high : low) != kNoExpert<Word>) {
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

  // Returns the address of the choice `first`.
  template <uint32_t kSize, typename Memory>
  static uint32_t start_reading(const Memory& memory, uint32_t first, uint32_t end, uint32_t begin, uint32_t scratch) {
    const uint32_t address = scratch + memory.template element<kSize>(first).misalignment();
    const auto place = memory.template element<kSize>(first + begin);
    memory.read(place, (end - begin) * kSize, address + begin * kSize - place.misalignment());
    return address;
  }

  // Reads choices, a stage of their tokens' rows at a time, and puts them side by side.
  [[gnu::noinline]] void read_rows(uint32_t first, uint32_t begin, uint32_t end, uint32_t rows) const {
    const uint32_t top_k = ids_memory_.args().row_size / kIdSize;
    const RowReader<kIds> ids(ids_memory_.args(), rows);
    const RowReader<kWeights> weights(weights_memory_.args(), rows + kMaxPageSize);
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

  DramRange<kIds> ids_memory_;
  DramRange<kWeights> weights_memory_;
  uint32_t ids_address_;
  uint32_t weights_address_;
  uint32_t limit_;
  L1Pointer<Word> ids_ = l1_pointer<Word>(0);
  L1Pointer<Bits<kWeightSize>> weights_ = l1_pointer<Bits<kWeightSize>>(0);
};

}  // namespace moe::tt::kernels
