#include "tt/launch/prepare_routing_many.h"

#include <algorithm>
#include <cmath>

#include "tt/launch/arguments.h"
#include "tt/support/math.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;
using kernels::RoutingManyPlan;
using kernels::RoutingManyScratch;
using kernels::RoutingManyShared;

// Cores of a team, at most: with more, a launch of the other kernel takes fewer clocks.
constexpr uint32_t kMaxTeamCores = 16;

// Those of a launch where choices are spread evenly over the experts.
RoutingStepCounts<kNumManySteps> counts_of(
    const RoutingProblem& problem, const RoutingManyPlan& plan, uint32_t launch_rows) {
  const auto rounds = static_cast<float>(plan.num_rounds);
  const auto team_slice = static_cast<float>(plan.team_slice());
  const auto rows = static_cast<float>(plan.team_row_share);
  const auto row_choices = team_slice / static_cast<float>(problem.choice_rows);  // of a team's in a round
  RoutingStepCounts<kNumManySteps> counts{};
  counts[kManyRound] = rounds;
  counts[kManyReadPage] = rounds * problem.reads(plan.team_cores * plan.slice);
  counts[kManyUnpack] = rounds * problem.unpacked(plan.team_cores * plan.slice);
  counts[kManyCount] = rounds * static_cast<float>(plan.slice);
  counts[kManyAddUp] = rounds * static_cast<float>(plan.row_share * plan.num_cores);
  counts[kManyTeam] = rounds * static_cast<float>(plan.row_share * plan.num_teams);
  counts[kManyRow] = rounds * rows;
  counts[kManyRun] = rounds * rows * (1 - std::exp(-row_choices));
  counts[kManyLook] = rounds * team_slice;
  counts[kManyPut] = rounds * rows * row_choices;
  counts[kManyPage] = static_cast<float>(launch_rows) * static_cast<float>(problem.row_width) * sizeof(uint32_t) /
                      static_cast<float>(plan.num_cores * kernels::kMaxPageSize);
  return counts;
}

// A launch's plan for so many rows. Its slice is 0 if L1 is too small.
RoutingManyPlan plan_with(
    const RoutingProblem& problem, const RoutingLimits& limits, uint32_t team_cores, uint32_t launch_rows) {
  const uint32_t choice_rows = std::min(launch_rows, problem.choice_rows);
  RoutingManyPlan plan{
      .num_cores = limits.num_cores,
      .num_teams = limits.num_cores / team_cores,
      .team_cores = team_cores,
      .team_row_share = count_of(choice_rows, team_cores),
      .slice = 0,
      .row_share = count_of(launch_rows, limits.num_cores * kProcessors),
      .num_rounds = 0};
  // Below, bytes are computed with 32 bits.
  if (uint64_t{choice_rows} * (plan.num_cores * kProcessors + plan.num_teams + 1) * sizeof(uint32_t) >
      uint64_t{4} * limits.l1.shared_bytes) {
    return plan;
  }
  // The most choices that fit into both regions of L1. What is rounded up with them may take an alignment more.
  const uint32_t members = team_cores * kProcessors;
  const uint32_t shared =
      RoutingManyShared::of(plan, choice_rows, problem.id_size, problem.weight_size).end + 2 * kAlignment;
  const uint32_t own = RoutingManyScratch::of(plan, problem.pages).end +
                       kernels::runs_scratch(plan.team_row_share, plan.team_row_share) + kAlignment;
  const uint32_t most = std::min(
      {kernels::kMaxRoutingSlice,
       shared < limits.l1.shared_bytes
           ? (limits.l1.shared_bytes - shared) / members / (problem.id_size + problem.weight_size)
           : 0,
       own < limits.l1.worker_bytes ? (limits.l1.worker_bytes - own) / members / uint32_t{sizeof(uint32_t)} : 0});
  const uint32_t unit = problem.unit();
  plan.slice = static_cast<uint32_t>(
      std::min(round_up(count_of(problem.num_choices, plan.num_teams * members), unit), round_down(most, unit)));
  if (plan.slice > 0) {
    plan.num_rounds = count_of(problem.num_choices, uint64_t{plan.team_slice()} * plan.num_teams);
  }
  return plan;
}

}  // namespace

std::vector<RoutingManyLaunches> plans_routing_many(const RoutingProblem& problem, const RoutingLimits& limits) {
  std::vector<RoutingManyLaunches> plans;
  // Where L1 has no room for the counts of all rows, several launches write them.
  for (uint32_t launches = 1; plans.empty(); launches *= 2) {
    const uint32_t launch_rows = std::min(count_of(problem.num_rows, launches), problem.max_launch_rows);
    for (uint32_t team_cores = 1; team_cores <= std::min(kMaxTeamCores, limits.num_cores); team_cores *= 2) {
      const RoutingManyPlan plan = plan_with(problem, limits, team_cores, launch_rows);
      if (plan.slice == 0) {
        continue;
      }
      RoutingStepCounts<kNumManySteps> counts = counts_of(problem, plan, launch_rows);
      for (float& count : counts) {
        count *= static_cast<float>(count_of(problem.num_rows, launch_rows));
      }
      plans.push_back({plan, launch_rows, counts, clocks_of(counts, kRoutingManySteps, limits)});
    }
    if (launch_rows == 1) {
      break;
    }
  }
  return plans;
}

}  // namespace moe::tt::launch
