#pragma once

// How the work of a routing launch is divided among cores; kernels/prepare_routing.cpp tells what teams and slices are.

#include <cstdint>

namespace moe::tt::launch {

// Rows of a launch for each core, at most: a team's tables must leave L1 to the choices.
inline constexpr uint32_t kMaxCoreRows = 4096;

struct RoutingProblem {
  uint32_t num_choices;  // T * K
  uint32_t num_experts;
  uint32_t num_rows;  // padding rows among them; at most kMaxCoreRows for each core
  uint32_t id_bytes;
  uint32_t weight_bytes;
};

struct RoutingLimits {
  uint32_t num_cores;
  uint32_t worker_bytes;  // L1 of a worker
  uint32_t shared_bytes;  // and that which a core's workers share
};

struct RoutingPlan {
  uint32_t num_teams;
  uint32_t team_rows;
  uint32_t team_cores;
  uint32_t slice;
  uint32_t num_rounds;
};

// Throws DeviceError where L1 is too small.
RoutingPlan plan_routing(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
