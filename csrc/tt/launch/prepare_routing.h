#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "export.h"
#include "tt/launch/launcher.h"
#include "tt/launch/router_choices.h"

namespace moe::tt::launch {

// Launches moe::prepare_routing: the counts of all rows, padding rows among them, and their tokens and weights. Rows
// have room for `max_tokens` choices, at least 1, or for all.
void prepare_routing(
    Launcher& launcher,
    const RouterChoices& choices,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens = std::nullopt);

// The launches. Throws DeviceError if L1 is too small.
MOE_API std::vector<Launch> plan_prepare_routing(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens = std::nullopt);

}  // namespace moe::tt::launch
