#pragma once

#include <cstdint>
#include <optional>

#include "tt/kernels/prepare_routing_few.h"
#include "tt/launch/routing_problem.h"

namespace moe::tt::launch {

enum RoutingFewStep {
  kFewLaunch,
  kFewReadPage,
  kFewUnpack,
  kFewLook,
  kFewFound,
  kFewRow,
  kFewPage,
  kNumFewSteps,
};

// In the order above. Choices are unpacked where pages are rows. benchmarks/routing_plans.py fits the clocks.
inline constexpr RoutingSteps<kNumFewSteps> kRoutingFewSteps{{
    {"launch", 978, 1067},
    {"read a page", 45, 45},
    {"unpack a choice", 3.3F, 3.3F},
    {"look at a choice", 3.2F, 3.3F},
    {"note and put a choice of the core", 17.7F, 17.7F},
    {"begin and count a row", 156, 162},
    {"fill and write a page", 54, 52},
}};

// How the kernel prepare_routing_few.cpp writes a call's rows: so many in each launch.
struct RoutingFewLaunches {
  kernels::RoutingFewPlan plan;
  uint32_t launch_rows;
  RoutingStepCounts<kNumFewSteps> counts;  // of all launches
  float clocks;                            // about
};

// The plan; none where L1 is too small.
std::optional<RoutingFewLaunches> plan_routing_few(const RoutingProblem& problem, const RoutingLimits& limits);

}  // namespace moe::tt::launch
