#include "tt/launch/routing_plan.h"

#include <algorithm>
#include <cmath>

#include "tt/kernels/common/protocol.h"
#include "tt/runtime/runtime.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {

using namespace kernels;
namespace {

// The plan with so many cores in a team; a slice of 0 means that their L1 is too small for it.
RoutingPlan divide(const RoutingProblem& problem, const RoutingLimits& limits, uint32_t team_cores) {
  const uint32_t members = team_cores * kProcessors;
  const uint32_t team_rows = div_up(problem.num_rows, limits.num_cores / team_cores);
  // As many choices as there is room for in both L1 regions, each of whose parts may be rounded up.
  const uint32_t own = routing_room(team_rows, 0, problem.id_bytes, problem.weight_bytes).end + 3 * kAlignment;
  const uint32_t own_each = problem.id_bytes + problem.weight_bytes + sizeof(uint32_t);
  const uint32_t shared = slice_bytes(team_rows, 0) + kAlignment;
  const uint32_t shared_limit = limits.shared_bytes / kSliceBuffers / members;
  const uint32_t most = std::min(
      own < limits.worker_bytes ? (limits.worker_bytes - own) / own_each : 0,
      shared < shared_limit ? (shared_limit - shared) / kRecordBytes : 0);
  const uint32_t slice = std::min(div_up(problem.num_choices, members), most);
  return {
      .num_teams = div_up(problem.num_rows, team_rows),
      .team_rows = team_rows,
      .team_cores = team_cores,
      .slice = slice,
      .num_rounds = slice == 0 ? 0 : div_up(problem.num_choices, uint64_t{slice} * members)};
}

// About how many clocks the slowest worker takes, as measured on simulated Wormhole, where choices are spread evenly
// over the experts. What every plan has in common is left out.
float estimate_clocks(const RoutingProblem& problem, const RoutingPlan& plan) {
  const float num_choices = static_cast<float>(problem.num_choices);
  const float members = static_cast<float>(plan.team_cores * kProcessors);
  const float rounds = static_cast<float>(plan.num_rounds);
  // Rows behind the last expert's are only padding.
  const float experts = static_cast<float>(std::min(plan.team_rows, problem.num_experts));
  const float teams = static_cast<float>(std::min(div_up(problem.num_experts, plan.team_rows), plan.num_teams));
  const float pieces = std::ceil(experts / static_cast<float>(plan.team_cores));

  const float looking = 3 * num_choices / members;
  const float sorting = 37 * num_choices / (members * teams);
  const float sending = rounds * 40 * static_cast<float>(plan.team_cores);
  const float adding_up = rounds * experts * (4 * members + 30);
  const float writing = rounds * pieces * (120 + 7 * members);
  return looking + sorting + sending + adding_up + writing;
}

}  // namespace

RoutingPlan plan_routing(const RoutingProblem& problem, const RoutingLimits& limits) {
  RoutingPlan best = divide(problem, limits, 1);
  float best_clocks = estimate_clocks(problem, best);
  // Every size of a small team, and fewer of the large ones, which differ less.
  for (uint32_t team_cores = 2; team_cores <= limits.num_cores; team_cores += (team_cores + 2) / 3) {
    const RoutingPlan plan = divide(problem, limits, team_cores);
    const float clocks = estimate_clocks(problem, plan);
    if (plan.slice > 0 && clocks < best_clocks) {
      best = plan;
      best_clocks = clocks;
    }
  }
  if (best.slice == 0) {
    throw runtime::DeviceError(str(
        "expected L1 for a choice or more, got ", limits.worker_bytes, " bytes a worker and ", limits.shared_bytes));
  }
  return best;
}

}  // namespace moe::tt::launch
