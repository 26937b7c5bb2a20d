#pragma once

// What the host and the kernel prepare_routing.cpp agree on; the kernel's file says what the words mean.

#include <cstdint>

#include "../../contract/prepare_routing.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
enum RoutingTensor : uint32_t {
  kCounts = kFirstOutput,
  kTokenList,
  kWeightList,
  kNumRoutingTensors,
};

// How a launch's work is divided.
struct RoutingPlan {
  uint32_t num_teams;
  uint32_t team_rows;  // the last team may have fewer
  uint32_t team_cores;
  uint32_t slice;  // choices that a member takes in a round
  uint32_t num_rounds;
};

// A record is what a member sends of a choice: these words.
enum RecordWord : uint32_t {
  kRecordToken,
  kRecordWeight,  // in the low bits
  kRecordWords,
};
inline constexpr uint32_t kRecordSize = kRecordWords * sizeof(uint32_t);

// A sorted slice is a table and then the slice's records for the team's rows, sorted by row. Word r of the table is
// where the records of row r begin; one more word is where the last row's end. Every core of the team gets a copy at
// the same address, in the buffer that its workers share.
constexpr uint32_t slice_table_size(uint32_t num_rows) {
  return (num_rows + 1) * static_cast<uint32_t>(sizeof(uint32_t));
}

constexpr uint32_t sorted_slice_size(uint32_t num_rows, uint32_t slice) {
  return align_up<uint32_t>(slice_table_size(num_rows) + slice * kRecordSize, kAlignment);
}

// While the slices of a round are written to the rows, those of the next round arrive.
inline constexpr uint32_t kRoundBuffers = 2;

// A segment is a run of a row's elements that is written at a time: at most so many, from one of so many places in L1.
inline constexpr uint32_t kSegment = 128;
inline constexpr uint32_t kSegmentBuffers = 16;

// Where a worker keeps what it works on, from the beginning of its L1.
struct RoutingScratch {
  uint32_t choices;       // of a slice
  uint32_t rows;          // of choices, where pages are rows
  uint32_t found;         // the positions of those that are for the team's rows: a word each
  uint32_t padding_page;  // of the worker's list
  uint32_t segments;
  uint32_t counts;        // a word for each row of the team
  uint32_t round_counts;  // the same
  uint32_t end;

  static constexpr RoutingScratch of(
      uint32_t team_rows, uint32_t slice, uint32_t id_size, uint32_t weight_size, PageKind pages) {
    RoutingScratch scratch{};
    scratch.rows = choices_scratch(slice, id_size, weight_size);
    scratch.found = scratch.rows + rows_scratch(pages);
    scratch.padding_page = scratch.found + elements_scratch(slice, sizeof(uint32_t));
    scratch.segments = scratch.padding_page + kMaxPageSize;
    scratch.counts = scratch.segments + kSegmentBuffers * elements_scratch(kSegment, sizeof(uint32_t));
    scratch.round_counts = scratch.counts + elements_scratch(team_rows, sizeof(uint32_t));
    scratch.end = scratch.round_counts + elements_scratch(team_rows, sizeof(uint32_t));
    return scratch;
  }
};

// The common run-time arguments. A launch writes the rows [first_row, first_row + num_rows) of the lists.
struct RoutingArgs {
  ChoicesArgs choices;
  InvalidIdArgs invalid_ids;
  DramRangeArgs counts;  // these three from first_row on
  DramRangeArgs tokens;
  DramRangeArgs weights;
  uint32_t first_row;
  uint32_t num_rows;
  uint32_t row_width;
  RoutingPlan plan;
  uint32_t slice_stride;  // bytes from one sorted slice to the next in L1
  RoutingScratch scratch;
};

// After them comes a word for every core of the launch: its NoC coordinates, as x << 16 | y.
inline constexpr uint32_t kRoutingCoordinates = sizeof(RoutingArgs) / sizeof(uint32_t);
static_assert(
    kNumRuntimeArgs + kRoutingCoordinates + runtime::kMaxCores <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

// Semaphores of a launch.
enum RoutingSemaphore : uint32_t {
  kSent,  // on every core: sorted slices that have come to it, in all rounds
  kNumRoutingSemaphores,
};

}  // namespace moe::tt::kernels
