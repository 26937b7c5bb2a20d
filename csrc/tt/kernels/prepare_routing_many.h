#pragma once

// What the host and the kernel prepare_routing_many.cpp agree on; the kernel's file says what the words mean.

#include <cstdint>

#include "prepare_routing.h"

namespace moe::tt::kernels {

// How a launch's work is divided.
struct RoutingManyPlan {
  uint32_t num_cores;
  uint32_t num_teams;
  uint32_t team_cores;
  uint32_t team_row_share;  // rows of a core of a team; the last one may have fewer
  uint32_t slice;           // choices that a worker counts in a round: at most kMaxRoutingSlice
  uint32_t row_share;       // rows that a worker adds up; the last one may have fewer
  uint32_t num_rounds;

  // Choices that a team takes in a round.
  constexpr uint32_t team_slice() const {
    return team_cores * kProcessors * slice;
  }
};

// A count is a halfword: there are so many in L1 that words would leave no room for rows of many experts.
using RoutingCount = uint16_t;
inline constexpr uint32_t kMaxRoutingSlice = 0xFFFF;

// What a core's workers share, from the beginning of their buffer: at the same address on every core.
struct RoutingManyShared {
  uint32_t counts_stride;  // bytes from one worker's counts to the next one's
  uint32_t counts;         // of every worker, a RoutingCount for each row
  uint32_t ranks;    // for each row a word for every team, the rank of its first choice, and one of what comes next
  uint32_t ids;      // of the team's choices
  uint32_t weights;  // likewise
  uint32_t end;

  static constexpr RoutingManyShared of(
      const RoutingManyPlan& plan, uint32_t num_rows, uint32_t id_size, uint32_t weight_size) {
    RoutingManyShared shared{};
    shared.counts_stride = align_up<uint32_t>(num_rows * sizeof(RoutingCount), kAlignment);
    shared.ranks = plan.num_cores * kProcessors * shared.counts_stride;
    shared.ids = shared.ranks + align_up<uint32_t>(num_rows * (plan.num_teams + 1) * sizeof(uint32_t), kAlignment);
    shared.weights = shared.ids + elements_scratch(plan.team_slice(), id_size);
    shared.end = shared.weights + elements_scratch(plan.team_slice(), weight_size);
    return shared;
  }
};

// Where a worker keeps what it works on, from the beginning of its L1.
struct RoutingManyScratch {
  uint32_t rows;  // of choices, where pages are rows
  uint32_t padding_page;
  uint32_t cursors;     // a word for each of the core's rows
  uint32_t row_counts;  // of those that the worker adds up, a word each
  uint32_t runs;        // of the team's choices
  uint32_t end;

  static constexpr RoutingManyScratch of(const RoutingManyPlan& plan, PageKind pages) {
    RoutingManyScratch scratch{};
    scratch.padding_page = rows_scratch(pages);
    scratch.cursors = scratch.padding_page + kMaxPageSize;
    scratch.row_counts = scratch.cursors + align_up<uint32_t>(plan.team_row_share * sizeof(uint32_t), kAlignment);
    scratch.runs = scratch.row_counts + elements_scratch(plan.row_share, sizeof(uint32_t));
    scratch.end = scratch.runs + runs_scratch(plan.team_slice(), plan.team_row_share);
    return scratch;
  }
};

// The common run-time arguments.
struct RoutingManyArgs {
  RoutingArgs routing;
  RoutingManyPlan plan;
  RoutingManyShared shared;
  RoutingManyScratch scratch;
};

// After them comes a word for every core of the launch: its NoC coordinates, as x << 16 | y.
inline constexpr uint32_t kRoutingManyCoordinates = sizeof(RoutingManyArgs) / sizeof(uint32_t);
static_assert(
    kNumRuntimeArgs + kRoutingManyCoordinates + runtime::kMaxCores <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
