#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "export.h"
#include "tt/kernels/prepare_routing.h"
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

// The plan of a launch, apart so that tests can look at it.

struct RoutingProblem {
  uint32_t num_choices;  // T * K
  uint32_t top_k;        // K
  uint32_t num_experts;  // that have rows
  uint32_t num_rows;     // of the launch, padding rows among them; at most kMaxCoreRows for each core
  uint32_t id_size;
  uint32_t weight_size;
  kernels::PageKind pages = kernels::kFlatPages;
};

// Rows of a launch for each core, at most: a team's tables must leave L1 to the choices.
inline constexpr uint32_t kMaxCoreRows = 4096;

struct RoutingLimits {
  uint32_t num_cores;
  L1Shares l1;
};

// The plan that should take the fewest clocks. There are choices and rows. Throws DeviceError if L1 is too small.
kernels::RoutingPlan plan_routing(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
