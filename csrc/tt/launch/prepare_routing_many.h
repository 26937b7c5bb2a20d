#pragma once

#include <cstdint>
#include <vector>

#include "tt/kernels/prepare_routing_many.h"
#include "tt/launch/routing_problem.h"

namespace moe::tt::launch {

enum RoutingManyStep {
  kManyRound,
  kManyReadPage,
  kManyUnpack,
  kManyCount,
  kManyAddUp,
  kManyTeam,
  kManyRow,
  kManyRun,
  kManyLook,
  kManyPut,
  kManyPage,
  kNumManySteps,
};

// In the order above. Choices are unpacked where pages are rows. benchmarks/routing_plans.py fits the clocks.
inline constexpr RoutingSteps<kNumManySteps> kRoutingManySteps{{
    {"round", 1613, 1649},
    {"read a page", 45, 45},
    {"unpack a choice", 3.3F, 3.3F},
    {"count a choice", 3.1F, 2.6F},
    {"add up a core's count of a row", 8.4F, 8.8F},
    {"leave a team's rank of a row", 3.4F, 5.1F},
    {"look for a row's run", 25.5F, 24.5F},
    {"write a run", 108, 103},
    {"look at a choice", 4.8F, 4.7F},
    {"put a choice of the core", 8, 8},
    {"write a page of padding", 27, 26},
}};

// How the kernel prepare_routing_many.cpp writes a call's rows: so many in each launch.
struct RoutingManyLaunches {
  kernels::RoutingManyPlan plan;
  uint32_t launch_rows;
  RoutingStepCounts<kNumManySteps> counts;  // of all launches
  float clocks;                             // about
};

// A plan for each number of cores in a team that is tried; none where L1 is too small.
std::vector<RoutingManyLaunches> plans_routing_many(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
