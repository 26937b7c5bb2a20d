#pragma once

// Where choices go: every expert has the row of its own number, or those of local_experts have rows in their order,
// which a worker reads into a table in its L1.

#include <cstdint>

#include "../../../contract/choices.h"
#include "../../../contract/row_map.h"
#include "args.h"
#include "dram_range.h"
#include "invalid_id.h"
#include "l1.h"
#include "work_split.h"

namespace moe::tt::kernels {

// Whether a call has local_experts. On the chip this is a constant, and costs nothing.
FORCE_INLINE bool has_local_experts() {
  return (get_compile_time_arg_val(kOptions) & kLocalExperts) != 0;
}

// Rows from this one on get no choices.
FORCE_INLINE uint32_t row_limit(const ChoicesArgs& args) {
  return has_local_experts() ? args.local_experts.count : args.id_limit;
}

// How many of the rows [first, first + count) choices may go to. Those after them are padding.
FORCE_INLINE uint32_t num_choice_rows(const ChoicesArgs& args, uint32_t first, uint32_t count) {
  const uint32_t limit = row_limit(args);
  return first < limit ? min(count, limit - first) : 0;
}

// Fills the table of a LocalRowMap. `address` is a multiple of kAlignment with row_map_scratch(num_experts) bytes.
[[gnu::noinline]] inline void read_local_experts(const ChoicesArgs& args, uint32_t address, InvalidId& invalid_id) {
  const uint32_t table_size = align_up<uint32_t>(args.num_experts * sizeof(uint32_t), kAlignment);
  const L1Pointer<uint32_t> rows_plus_one = l1_pointer<uint32_t>(address);
  const DramRange<kLocalIds> ids(args.local_experts.ids);
  const uint32_t id_size = args.local_experts.id_size;
  const uint32_t count = args.local_experts.count;
  const uint32_t at_a_time = kLocalIdsBytes / id_size;
  start_zeroing(address, table_size);
  for (uint32_t first = 0; first < count; first += at_a_time) {
    const uint32_t end = min(first + at_a_time, count);
    uint32_t id = ids.read(ids.element<1>(first * id_size), (end - first) * id_size, address + table_size);
    read_barrier();
    for (uint32_t row = first; row < end; ++row, id += id_size) {
      const bool is_short = id_size == sizeof(uint16_t);
      const uint32_t low = is_short ? *l1_pointer<uint16_t>(id) : *l1_pointer<uint32_t>(id);
      const uint32_t high = id_size == 2 * sizeof(uint32_t) ? l1_pointer<uint32_t>(id)[1] : 0;
      if (high == 0 && low < args.local_experts.id_limit) {
        rows_plus_one[low] = row + 1;
      } else if (
          low != (is_short ? kNoExpert<uint16_t> : kNoExpert<uint32_t>) ||
          (id_size == 2 * sizeof(uint32_t) && high != kNoExpert<uint32_t>)) {
        invalid_id.record_local(row, low, high);
      }
    }
  }
}

// Calls `run(row_map, scratch, invalid_id)` with what the worker's L1 has left, from a multiple of kAlignment on, and
// the invalid id that local_experts have.
template <typename Run>
FORCE_INLINE void with_row_map(const ChoicesArgs& args, uint32_t scratch, const Run& run) {
  InvalidId invalid_id;
  if (has_local_experts()) {
    read_local_experts(args, scratch, invalid_id);
    run(LocalRowMap<L1Pointer<uint32_t>>{l1_pointer<uint32_t>(scratch)},
        scratch + row_map_scratch(args.num_experts),
        invalid_id);
  } else {
    run(RowMap(), scratch, invalid_id);
  }
}

}  // namespace moe::tt::kernels
