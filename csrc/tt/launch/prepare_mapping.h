#pragma once

#include "export.h"
#include "tt/launch/launcher.h"
#include "tt/launch/router_choices.h"

namespace moe::tt::launch {

// Launches moe::prepare_mapping: (num_tokens, num_rows) weights into `mapping`.
void prepare_mapping(Launcher& launcher, const RouterChoices& choices, const Tensor& mapping);

// The launches. Throws DeviceError if L1 is too small.
MOE_API std::vector<Launch> plan_prepare_mapping(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& mapping);

}  // namespace moe::tt::launch
