#pragma once

// What the host and the kernel prepare_grouping.cpp agree on; the kernel's file says what the words mean.

#include <cstdint>

#include "../../contract/prepare_grouping.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
enum GroupingTensor : uint32_t {
  kGroupSizes = kFirstOutput,
  kGroupOffsets,
  kGroupedTokens,
  kGroupedWeights,
  kPositions,
  kNumGroupingTensors,
};

// How a launch's work is divided.
struct GroupingPlan {
  uint32_t num_cores;
  uint32_t num_choice_workers;  // the first workers, which have choices
  uint32_t choice_share;        // choices of each of them; the last one may have fewer
  uint32_t slice;               // those that it holds at a time; both are whole rows where pages are rows
  uint32_t group_share;         // groups of a worker, likewise
  uint32_t row_share_log2;      // rows of a core, likewise
};

// What a choice is to its row's core: these words. All zero is a row without a choice.
enum GroupingRecordWord : uint32_t {
  kGroupingToken,   // and one more
  kGroupingWeight,  // in the low bits
  kGroupingRecordWords,
};
inline constexpr uint32_t kGroupingRecordSize = kGroupingRecordWords * sizeof(uint32_t);

// L1 accesses of the NoC agree on an address modulo this. A record waits to be sent in a slot of its own.
inline constexpr uint32_t kRecordSlot = 16;
static_assert(kRecordSlot == 2 * kGroupingRecordSize, "a slot has a record at either alignment");

// Words of next_rows for each group.
constexpr uint32_t next_rows_stride(uint32_t num_choice_workers, bool has_max_tokens) {
  return num_choice_workers + (has_max_tokens ? 1 : 0);
}

// What a core's workers share, from the beginning of their buffer: at the same address on every core.
struct GroupingShared {
  uint32_t counts_stride;  // bytes from one worker's counts to the next one's
  uint32_t counts;         // of every worker with choices, a word for each group
  uint32_t totals;         // a word for every worker: rows of its groups
  // For each group a word for every such worker: the row of its next choice. Where groups have a capacity, one more:
  // the row after the last one that the group may take.
  uint32_t next_rows;
  uint32_t records;  // of the core's rows
  uint32_t end;

  static constexpr GroupingShared of(const GroupingPlan& plan, uint32_t num_groups, bool has_max_tokens) {
    GroupingShared shared{};
    const uint32_t num_workers = plan.num_cores * kProcessors;
    const uint32_t num_rows = 1u << plan.row_share_log2;
    shared.counts_stride = align_up<uint32_t>(num_groups * sizeof(uint32_t), kAlignment);
    shared.totals = plan.num_choice_workers * shared.counts_stride;
    shared.next_rows = shared.totals + align_up<uint32_t>(num_workers * sizeof(uint32_t), kAlignment);
    shared.records =
        shared.next_rows +
        align_up<uint32_t>(
            num_groups * next_rows_stride(plan.num_choice_workers, has_max_tokens) * sizeof(uint32_t), kAlignment);
    shared.end = shared.records + align_up<uint32_t>(num_rows * kGroupingRecordSize, kAlignment);
    return shared;
  }
};

// Bytes from one row of positions to the next in L1, where pages are rows.
constexpr uint32_t positions_stride(uint32_t top_k) {
  return align_up<uint32_t>(top_k * sizeof(uint32_t), kAlignment);
}

// Where a worker keeps what it works on, from the beginning of its L1.
struct GroupingScratch {
  uint32_t ids;        // of a slice of the choices
  uint32_t weights;    // likewise
  uint32_t rows;       // of choices, where pages are rows
  uint32_t positions;  // of a slice; where pages are rows, each row is padded to kAlignment
  uint32_t slots;      // of a slice
  uint32_t sizes;      // of the worker's groups
  uint32_t offsets;    // likewise, and one more
  uint32_t list;       // of its core's rows
  uint32_t end;

  static constexpr GroupingScratch of(
      uint32_t slice,
      uint32_t top_k,
      uint32_t group_share,
      uint32_t num_rows,
      uint32_t id_size,
      uint32_t weight_size,
      PageKind pages) {
    GroupingScratch scratch{};
    scratch.weights = elements_scratch(slice, id_size);
    scratch.rows = scratch.weights + elements_scratch(slice, weight_size);
    scratch.positions = scratch.rows + rows_scratch(pages);
    scratch.slots = scratch.positions + (pages == kRowPages ? slice / top_k * positions_stride(top_k)
                                                            : elements_scratch(slice, sizeof(uint32_t)));
    scratch.sizes = scratch.slots + align_up<uint32_t>(slice * kRecordSlot, kAlignment);
    scratch.offsets = scratch.sizes + elements_scratch(group_share, sizeof(uint32_t));
    scratch.list = scratch.offsets + elements_scratch(group_share + 1, sizeof(uint32_t));
    scratch.end = scratch.list + elements_scratch(num_rows, sizeof(uint32_t));
    return scratch;
  }
};

// The common run-time arguments. A launch writes the rows [first_row, first_row + num_rows) of the lists; the first
// one, of first_row = 0, also the sizes, offsets and positions.
struct GroupingArgs {
  ChoicesArgs choices;
  InvalidIdArgs invalid_ids;
  DramRangeArgs sizes;
  DramRangeArgs offsets;
  DramRangeArgs tokens;
  DramRangeArgs weights;
  DramRangeArgs positions;
  uint32_t num_groups;
  uint32_t alignment;
  uint32_t max_tokens;  // of a group
  uint32_t first_row;
  uint32_t num_rows;
  GroupingPlan plan;
  GroupingShared shared;
  GroupingScratch scratch;
};

// After them comes a word for every core of the launch: its NoC coordinates, as x << 16 | y.
inline constexpr uint32_t kGroupingCoordinates = sizeof(GroupingArgs) / sizeof(uint32_t);
static_assert(
    kNumRuntimeArgs + kGroupingCoordinates + runtime::kMaxCores <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
