#pragma once

#include <cstdint>

#include "args.h"
#include "dram_range.h"
#include "l1.h"

namespace moe::tt::kernels {

// The first invalid id that a worker meets in a launch.
class InvalidId {
 public:
  [[gnu::noinline, gnu::cold]] void record(uint32_t position, uint32_t id_low, uint32_t id_high) {
    if (!is_local_ && position < position_) {
      position_ = position;
      id_low_ = id_low;
      id_high_ = id_high;
    }
  }

  // The same for an id of local_experts. They come before the choices.
  [[gnu::noinline, gnu::cold]] void record_local(uint32_t position, uint32_t id_low, uint32_t id_high) {
    record(position, id_low, id_high);
    is_local_ = true;
  }

  // Leaves it in the worker's record, unless one of an earlier call is there. `scratch` has two kInvalidIdRecordSize of
  // L1.
  void report(const InvalidIdArgs& args, uint32_t worker, uint32_t scratch) const {
    if (position_ == kNone) {
      return;
    }
    const DramRange<kInvalidIdRecords> records(args.records);
    const auto place = records.element<kInvalidIdRecordSize>(worker);
    const uint32_t address = records.read(place, kInvalidIdRecordSize, scratch);
    read_barrier();
    L1Pointer<InvalidIdRecord> record = l1_pointer<InvalidIdRecord>(address);
    if (record->call == 0) {
      const uint32_t operation = is_local_ ? args.local_operation : args.operation;
      *record = {args.call, position_, id_low_, id_high_, 0, operation, args.limit};
    } else if (record->call != args.call) {
      record->more_calls = record->more_calls + 1;
    }
    records.write(place, kInvalidIdRecordSize, address);
    write_barrier();
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  uint32_t position_ = kNone;
  uint32_t id_low_ = 0;
  uint32_t id_high_ = 0;
  bool is_local_ = false;
};

// Records the invalid ids among a reader's choices [begin, end), of those from `first` on. For when there are some.
// Takes the reader by value: a reference to it would keep it out of registers.
template <typename Reader>
[[gnu::noinline, gnu::cold]] void record_invalid(
    Reader choices, uint32_t first, uint32_t end, InvalidId& invalid_id, uint32_t begin = 0) {
  for (uint32_t i = begin; i < end; ++i) {
    choices.visit_id(i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { invalid_id.record(first + i, low, high); });
  }
}

}  // namespace moe::tt::kernels
