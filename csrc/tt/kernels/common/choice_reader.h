#pragma once

// The router's choices as kernels read them, and the report of ids out of range.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../../../contract/layout.h"
#include "dram_range.h"

namespace moe::tt::kernels {

// Weights are only ever moved: unsigned integers of their size.
template <uint32_t kBytes>
using Bits = std::conditional_t<kBytes == 2, uint16_t, uint32_t>;

// A part of the choices in L1.
template <uint32_t kIdSize, uint32_t kWeightSize>
class Choices {
 public:
  // Bytes of L1 that a part of at most so many choices takes.
  static constexpr uint32_t room(uint32_t count) {
    return choices_room(count, kIdSize, kWeightSize);
  }

  // `address` is a multiple of kAlignment with room(capacity) bytes.
  Choices(const ChoicesArgs& args, uint32_t address, uint32_t capacity)
      : ids_memory_(args.ids),
        weights_memory_(args.weights),
        ids_address_(address),
        weights_address_(address + elements_room(capacity, kIdSize)),
        limit_(args.id_limit) {}

  // Starts reading the choices [first, first + count): they are there after a read_barrier().
  void start_reading(uint32_t first, uint32_t count) {
    ids_ = l1_pointer<Word>(ids_memory_.read(ids_memory_.element<kIdSize>(first), count * kIdSize, ids_address_));
    weights_ = l1_pointer<Bits<kWeightSize>>(
        weights_memory_.read(weights_memory_.element<kWeightSize>(first), count * kWeightSize, weights_address_));
  }

  // Calls `expert(id)`, or `invalid(low, high)` for an id out of range, or neither for "no expert".
  template <typename Expert, typename Invalid>
  FORCE_INLINE void visit_id(uint32_t i, const Expert& expert, const Invalid& invalid) const {
    const uint32_t low = ids_[i * kWords];
    const uint32_t high = kWords == 2 ? ids_[i * kWords + 1] : 0;
    if (__builtin_expect(high == 0 && low < limit_, true)) {
      expert(low);
    } else if ((kWords == 2 ? low & high : low) != kNoExpert<Word>) {
      invalid(low, high);
    }
  }

  // Does that for each choice in [begin, end), with few instructions between them: calls `expert(i, id)` or
  // `invalid()`.
  template <typename Expert, typename Invalid>
  FORCE_INLINE void visit_ids(uint32_t begin, uint32_t end, const Expert& expert, const Invalid& invalid) const {
    const auto visit = [&](uint32_t i) {
      visit_id(i, [&](uint32_t id) { expert(i, id); }, [&](uint32_t, uint32_t) { invalid(); });
    };
    // By hand: a compiler's own unrolling costs more before the loop than it saves for the few choices of a token.
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

  // Calls `found(i, id - first_id)` for each of the first `count` choices whose id is in [first_id, first_id +
  // num_ids). Most are not: three instructions each.
  template <typename Found>
  FORCE_INLINE void find(uint32_t count, uint32_t first_id, uint32_t num_ids, const Found& found) const {
    constexpr uint32_t kAtOnce = 16;
    L1Pointer<Word> ids = ids_;
    const auto look_at = [&](uint32_t i, uint32_t ahead) {
      const uint32_t low = ids[ahead * kWords];
      if (low - first_id < num_ids && (kWords == 1 || ids[ahead * kWords + 1] == 0)) {
        found(i + ahead, low - first_id);
      }
    };
    uint32_t i = 0;
    for (; i + kAtOnce <= count; i += kAtOnce, ids += kAtOnce * kWords) {
#pragma GCC unroll 16
      for (uint32_t ahead = 0; ahead < kAtOnce; ++ahead) {
        look_at(i, ahead);
      }
    }
    for (; i < count; ++i, ids += kWords) {
      look_at(i, 0);
    }
  }

  // The low word of an id.
  FORCE_INLINE uint32_t id(uint32_t i) const {
    return ids_[i * kWords];
  }

  FORCE_INLINE Bits<kWeightSize> weight(uint32_t i) const {
    return weights_[i];
  }

 private:
  // A 64-bit id is two words.
  using Word = std::conditional_t<kIdSize == 2, uint16_t, uint32_t>;
  static constexpr uint32_t kWords = kIdSize == 8 ? 2 : 1;

  FlatMemory ids_memory_;
  FlatMemory weights_memory_;
  uint32_t ids_address_;
  uint32_t weights_address_;
  uint32_t limit_;
  L1Pointer<Word> ids_ = l1_pointer<Word>(0);
  L1Pointer<Bits<kWeightSize>> weights_ = l1_pointer<Bits<kWeightSize>>(0);
};

// Calls `run(id_size, weight_size, worker, arena)` with the sizes as types, the worker's number, and the address of its
// L1, a multiple of kAlignment.
template <typename Run>
FORCE_INLINE void run_worker(const Run& run) {
  const uint32_t processor = get_compile_time_arg_val(kProcessor);
  const uint32_t worker = get_arg_val<uint32_t>(kCore) * kProcessors + processor;
  const uint32_t arena = align_up<uint32_t>(get_write_ptr(processor), kAlignment);
  const auto with_weights = [&](auto id_size) {
    if (get_compile_time_arg_val(kWeightBytes) == 2) {
      run(id_size, std::integral_constant<uint32_t, 2>(), worker, arena);
    } else {
      run(id_size, std::integral_constant<uint32_t, 4>(), worker, arena);
    }
  };
  const uint32_t id_size = get_compile_time_arg_val(kIdBytes);
  if (id_size == 2) {
    with_weights(std::integral_constant<uint32_t, 2>());
  } else if (id_size == 4) {
    with_weights(std::integral_constant<uint32_t, 4>());
  } else {
    with_weights(std::integral_constant<uint32_t, 8>());
  }
}

// The first id out of range that a worker meets in a launch.
class Fault {
 public:
  [[gnu::noinline, gnu::cold]] void record(uint32_t position, uint32_t id_low, uint32_t id_high) {
    if (position < position_) {
      position_ = position;
      id_low_ = id_low;
      id_high_ = id_high;
    }
  }

  // Leaves it in the worker's record, unless an earlier launch's is there. `room` is two kFaultRecordBytes of L1.
  void report(const FaultArgs& args, uint32_t worker, uint32_t room) const {
    if (position_ == kNone) {
      return;
    }
    const FlatMemory records(args.records);
    const auto place = records.element<kFaultRecordBytes>(worker);
    const uint32_t address = records.read(place, kFaultRecordBytes, room);
    read_barrier();
    L1Pointer<FaultRecord> record = l1_pointer<FaultRecord>(address);
    if (record->launch == 0) {
      *record = {args.launch, position_, id_low_, id_high_, 0};
    } else if (record->launch != args.launch) {
      record->more = record->more + 1;
    }
    records.write(place, kFaultRecordBytes, address);
    write_barrier();
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  uint32_t position_ = kNone;
  uint32_t id_low_ = 0;
  uint32_t id_high_ = 0;
};

}  // namespace moe::tt::kernels
