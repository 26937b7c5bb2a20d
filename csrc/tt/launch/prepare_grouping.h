#pragma once

#include <cstdint>

#include "tt/kernels/prepare_grouping.h"
#include "tt/launch/launcher.h"

namespace moe::tt::launch {

struct GroupingOutputs {
  runtime::BufferSpan sizes;
  runtime::BufferSpan offsets;
  runtime::BufferSpan tokens;
  runtime::BufferSpan weights;
  runtime::BufferSpan positions;
};

// The most groups that prepare_grouping() takes: the counts of two workers have room in a core's L1.
uint32_t max_groups(const Launcher& launcher);

// Launches moe::prepare_grouping. There are choices and groups.
void prepare_grouping(
    Launcher& launcher, const RouterChoices& choices, uint32_t alignment, const GroupingOutputs& outputs);

// The plan of a launch, apart so that tests can look at it.

struct GroupingProblem {
  uint32_t num_choices;  // T * K
  uint32_t num_groups;
  uint32_t num_rows;
  uint32_t id_size;
  uint32_t weight_size;
};

struct GroupingLimits {
  uint32_t num_cores;
  uint32_t core_columns;
  uint32_t worker_bytes;  // L1 of a worker
  uint32_t shared_bytes;  // L1 that a core's workers share
};

// The plan that should take the fewest clocks. Throws DeviceError if L1 is too small.
kernels::GroupingPlan plan_grouping(const GroupingProblem& problem, const GroupingLimits& limits);

}  // namespace moe::tt::launch
