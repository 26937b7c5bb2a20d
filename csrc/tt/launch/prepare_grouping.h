#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "export.h"
#include "tt/launch/launcher.h"
#include "tt/launch/router_choices.h"

namespace moe::tt::launch {

struct GroupingOutputs {
  Tensor sizes;
  Tensor offsets;
  Tensor tokens;
  Tensor weights;
  Tensor positions;
};

// The most groups that prepare_grouping() takes: the counts of two workers have room in a core's L1.
MOE_API uint32_t max_groups(const Target& target);

struct GroupingOptions {
  uint32_t alignment = 1;
  std::optional<uint32_t> max_tokens = std::nullopt;  // at least 1
};

// Launches moe::prepare_grouping. There are choices and groups.
void prepare_grouping(
    Launcher& launcher, const RouterChoices& choices, const GroupingOptions& options, const GroupingOutputs& outputs);

// The launches. Throws DeviceError if L1 is too small.
MOE_API std::vector<Launch> plan_prepare_grouping(
    const Target& target,
    const RouterChoices& choices,
    const GroupingOptions& options,
    const kernels::InvalidIdArgs& invalid_ids,
    const GroupingOutputs& outputs);

}  // namespace moe::tt::launch
