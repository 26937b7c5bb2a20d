#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "export.h"
#include "tt/launch/launcher.h"
#include "tt/launch/router_choices.h"

namespace moe::tt::launch {

// A plan as the cost model sees it: how often the slowest worker takes each step of the kernel, and the clocks of one.
struct RoutingCost {
  struct Step {
    const char* name;
    float count;
    float clocks;
  };
  const char* kernel;
  std::vector<Step> steps;
};

// Launches moe::prepare_routing: the counts of all rows, padding rows among them, and their tokens and weights. Rows
// have room for `max_tokens` choices, at least 1, or for all. `plan` is a place in routing_costs(); without it, the
// plan that should take the fewest clocks is launched.
void prepare_routing(
    Launcher& launcher,
    const RouterChoices& choices,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens = std::nullopt,
    std::optional<size_t> plan = std::nullopt);

// The launches. Throws DeviceError if L1 is too small.
MOE_API std::vector<Launch> plan_prepare_routing(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens = std::nullopt,
    std::optional<size_t> plan = std::nullopt);

// Those of all plans that there are.
std::vector<RoutingCost> routing_costs(
    const Target& target, const RouterChoices& choices, std::optional<uint32_t> max_tokens = std::nullopt);

}  // namespace moe::tt::launch
