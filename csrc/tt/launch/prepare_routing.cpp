#include "tt/launch/prepare_routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tt/launch/arguments.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;
using kernels::RoutingPlan;
using kernels::RoutingScratch;

// A launch's plan for teams of so many cores. Its slice is 0 if their L1 is too small.
RoutingPlan plan_with(const RoutingProblem& problem, const RoutingLimits& limits, uint32_t team_cores) {
  const uint32_t members = team_cores * kProcessors;
  const uint32_t team_rows = count_of(problem.num_rows, limits.num_cores / team_cores);
  // The most choices that fit into both regions of L1. Each part of a worker's own may be rounded up.
  const uint32_t own =
      RoutingScratch::of(team_rows, 0, problem.id_size, problem.weight_size, problem.pages).end + 3 * kAlignment;
  const uint32_t own_each = problem.id_size + problem.weight_size + sizeof(uint32_t);
  const uint32_t shared = kernels::sorted_slice_size(team_rows, 0) + kAlignment;
  const uint32_t shared_limit = limits.l1.shared_bytes / kernels::kRoundBuffers / members;
  const uint32_t most = std::min(
      own < limits.l1.worker_bytes ? (limits.l1.worker_bytes - own) / own_each : 0,
      shared < shared_limit ? (shared_limit - shared) / kernels::kRecordSize : 0);
  uint32_t slice = std::min(count_of(problem.num_choices, members), most);
  if (problem.pages == kernels::kRowPages && slice > 0 && most >= problem.top_k) {
    // Whole rows are read with fewer instructions.
    slice = static_cast<uint32_t>(std::min(round_up(slice, problem.top_k), round_down(most, problem.top_k)));
  }
  return {
      .num_teams = count_of(problem.num_rows, team_rows),
      .team_rows = team_rows,
      .team_cores = team_cores,
      .slice = slice,
      .num_rounds = slice == 0 ? 0 : count_of(problem.num_choices, uint64_t{slice} * members)};
}

// Clocks of the kernel's steps, as measured on simulated Wormhole with benchmarks/device.py.
struct RoutingCost {
  float look = 3;            // at a choice, whether it is for the team
  float unpack = 7;          // a choice, where pages are rows
  float sort = 37;           // a choice that is
  float send = 40;           // a sorted slice, to one core
  float add_row = 30;        // a round's counts of a row together
  float add_row_member = 4;  // and for each member's table
  float segment = 120;       // to write one
  float segment_member = 7;  // and for each member's slice
};

// About how many clocks the slowest worker takes where choices are spread evenly over the experts. What all plans have
// in common is left out.
float estimate_clocks(const RoutingProblem& problem, const RoutingPlan& plan) {
  constexpr RoutingCost cost;
  const float num_choices = static_cast<float>(problem.num_choices);
  const float members = static_cast<float>(plan.team_cores * kProcessors);
  const float rounds = static_cast<float>(plan.num_rounds);
  // Rows after the last expert's are padding only.
  const float expert_rows = static_cast<float>(std::min(plan.team_rows, problem.num_experts));
  const float teams = static_cast<float>(std::min(count_of(problem.num_experts, plan.team_rows), plan.num_teams));
  const float segments = std::ceil(expert_rows / static_cast<float>(plan.team_cores));

  const float look = cost.look + (problem.pages == kernels::kRowPages ? cost.unpack : 0);
  const float looking = look * num_choices / members;
  const float sorting = cost.sort * num_choices / (members * teams);
  const float sending = rounds * cost.send * static_cast<float>(plan.team_cores);
  const float adding = rounds * expert_rows * (cost.add_row_member * members + cost.add_row);
  const float writing = rounds * segments * (cost.segment + cost.segment_member * members);
  return looking + sorting + sending + adding + writing;
}

// The rows of one launch, at most. A kernel counts the bytes of a run of padding, which may be all of a core's rows, in
// 32 bits.
uint32_t max_launch_rows(const RoutingLayout<uint64_t>& layout, const RoutingLimits& limits) {
  const uint64_t countable = std::numeric_limits<uint32_t>::max() / (layout.row_width * sizeof(uint32_t));
  if (countable == 0) {
    throw runtime::DeviceError(
        str("expected rows of less than 2^30 elements, got ", layout.row_width, "; route the tokens in several calls"));
  }
  return static_cast<uint32_t>(std::min({layout.num_rows, uint64_t{limits.num_cores} * kMaxCoreRows, countable}));
}

}  // namespace

RoutingPlan plan_routing(const RoutingProblem& problem, const RoutingLimits& limits) {
  RoutingPlan best = plan_with(problem, limits, 1);
  float best_clocks = estimate_clocks(problem, best);
  // Every size of a small team. Large teams differ less: each is about a third larger than the last, 30 plans at most.
  for (uint32_t team_cores = 2; team_cores <= limits.num_cores; team_cores += (team_cores + 2) / 3) {
    const RoutingPlan plan = plan_with(problem, limits, team_cores);
    const float clocks = estimate_clocks(problem, plan);
    if (plan.slice > 0 && clocks < best_clocks) {
      best = plan;
      best_clocks = clocks;
    }
  }
  if (best.slice == 0) {
    throw runtime::DeviceError(
        str("expected L1 for a choice or more, got ",
            limits.l1.worker_bytes,
            " bytes a worker and ",
            limits.l1.shared_bytes,
            " bytes that a core's workers share"));
  }
  return best;
}

std::vector<Launch> plan_prepare_routing(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens) {
  const auto layout =
      RoutingLayout<uint64_t>::of_width(choices.num_rows(), max_tokens.value_or(choices.num_tokens * choices.top_k));
  check_countable(layout.num_rows, layout.row_width);
  RoutingLimits limits{.num_cores = target.num_cores(), .l1 = target.l1_shares()};
  const std::vector<uint32_t> circular_buffers = limits.l1.circular_buffers();
  limits.l1.worker_bytes = bytes_beside_row_map(choices, limits.l1.worker_bytes);
  const uint32_t launch_rows = max_launch_rows(layout, limits);
  std::vector<Launch> launches;
  for (uint64_t first_row = 0; first_row < layout.num_rows; first_row += launch_rows) {
    const auto num_rows = static_cast<uint32_t>(std::min<uint64_t>(launch_rows, layout.num_rows - first_row));
    const RoutingPlan plan = plan_routing(
        {.num_choices = choices.num_tokens * choices.top_k,
         .top_k = choices.top_k,
         .num_experts = choices.num_rows(),
         .num_rows = num_rows,
         .id_size = choices.id_size,
         .weight_size = choices.weight_size,
         .pages = choices.ids.pages()},
        limits);
    const kernels::RoutingArgs args{
        .choices = choices_args(choices),
        .invalid_ids = invalid_ids,
        .counts = from_byte(counts.range, first_row * sizeof(uint32_t)),
        .tokens = from_byte(tokens.range, first_row * layout.row_width * sizeof(uint32_t)),
        .weights = from_byte(weights.range, first_row * layout.row_width * choices.weight_size),
        .first_row = static_cast<uint32_t>(first_row),
        .num_rows = num_rows,
        .row_width = static_cast<uint32_t>(layout.row_width),
        .plan = plan,
        .slice_stride = kernels::sorted_slice_size(plan.team_rows, plan.slice),
        .scratch =
            RoutingScratch::of(plan.team_rows, plan.slice, choices.id_size, choices.weight_size, choices.ids.pages())};
    const uint32_t num_cores = target.whole_rows(plan.num_teams * plan.team_cores);
    launches.push_back(
        {.kernel = "prepare_routing",
         .id_size = choices.id_size,
         .weight_size = choices.weight_size,
         .pages = choices.ids.pages(),
         .options = choices.options() | (max_tokens ? kernels::kMaxTokens : 0u),
         .num_tensors = choices.num_tensors(kernels::kNumRoutingTensors),
         .num_cores = num_cores,
         .num_semaphores = kernels::kNumRoutingSemaphores,
         .circular_buffers = circular_buffers,
         .common_args = target.with_coordinates(words(args), num_cores)});
  }
  return launches;
}

void prepare_routing(
    Launcher& launcher,
    const RouterChoices& choices,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens) {
  launcher.call(
      checks_of(kPrepareRouting, choices),
      tensors_of(choices, {counts, tokens, weights}),
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return plan_prepare_routing(launcher.target, choices, invalid_ids, counts, tokens, weights, max_tokens);
      });
}

}  // namespace moe::tt::launch
