#pragma once

#include <cstdint>
#include <vector>

#include "tt/kernels/prepare_routing_many.h"
#include "tt/launch/routing_problem.h"

namespace moe::tt::launch {

enum RoutingManyStep {
  kManyRound,
  kManyReadPage,
  kManyUnpack,  // a choice, where pages are rows
  kManyCount,   // a choice
  kManyAddUp,   // a core's count of a row
  kManyTeam,    // to leave a team's rank of a row
  kManyRow,     // to look whether it has a run, twice
  kManyRun,     // to reserve and write one
  kManyLook,    // at a choice, whether it is for the core
  kManyPut,     // a choice that is
  kManyPage,    // of padding
  kNumManySteps,
};

// How the kernel prepare_routing_many.cpp writes a call's rows: so many in each launch.
struct RoutingManyLaunches {
  kernels::RoutingManyPlan plan;
  uint32_t launch_rows;
  RoutingSteps<kNumManySteps> steps;  // of all launches
  float clocks;                       // about
};

// A plan for each number of cores in a team that is tried; none where L1 is too small.
std::vector<RoutingManyLaunches> plans_routing_many(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
