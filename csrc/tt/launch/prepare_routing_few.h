#pragma once

#include <cstdint>
#include <optional>

#include "tt/kernels/prepare_routing_few.h"
#include "tt/launch/routing_problem.h"

namespace moe::tt::launch {

enum RoutingFewStep {
  kFewLaunch,
  kFewReadPage,
  kFewUnpack,  // a choice, where pages are rows
  kFewLook,    // at a choice, whether it is for the core
  kFewFound,   // a choice that is: to note it and to put it into its row
  kFewRow,     // to begin and to count
  kFewPage,    // of the core's rows, to fill and to write
  kNumFewSteps,
};

// How the kernel prepare_routing_few.cpp writes a call's rows: so many in each launch.
struct RoutingFewLaunches {
  kernels::RoutingFewPlan plan;
  uint32_t launch_rows;
  RoutingSteps<kNumFewSteps> steps;  // of all launches
  float clocks;                      // about
};

// The plan; none where L1 is too small.
std::optional<RoutingFewLaunches> plan_routing_few(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
