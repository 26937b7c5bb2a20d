#pragma once

#include <cstdint>

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

}  // namespace moe::tt::launch
