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
  bool is_local_ = false;
  uint32_t id_low_;  // these two where there is a position
  uint32_t id_high_;
};

}  // namespace moe::tt::kernels
