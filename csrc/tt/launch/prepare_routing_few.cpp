#include "tt/launch/prepare_routing_few.h"

#include <algorithm>
#include <bit>

#include "tt/launch/arguments.h"
#include "tt/support/math.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;
using kernels::RoutingFewPlan;
using kernels::RoutingFewScratch;

// Those of a launch where choices are spread evenly over the experts.
RoutingStepCounts<kNumFewSteps> counts_of(const RoutingProblem& problem, const RoutingFewPlan& plan) {
  const auto rows = static_cast<float>(plan.row_share);
  RoutingStepCounts<kNumFewSteps> counts{};
  counts[kFewLaunch] = 1;
  counts[kFewReadPage] = problem.reads(plan.slice);
  counts[kFewUnpack] = problem.unpacked(plan.slice);
  counts[kFewLook] = static_cast<float>(plan.slice);
  counts[kFewFound] =
      static_cast<float>(problem.num_choices) * std::min(rows / static_cast<float>(problem.choice_rows), 1.0F);
  counts[kFewRow] = rows;
  counts[kFewPage] =
      rows * static_cast<float>(problem.row_width) * sizeof(uint32_t) / static_cast<float>(kernels::kMaxPageSize);
  return counts;
}

}  // namespace

std::optional<RoutingFewLaunches> plan_routing_few(const RoutingProblem& problem, const RoutingLimits& limits) {
  const uint32_t num_cores = std::bit_floor(std::min(limits.num_cores, problem.num_rows));
  RoutingFewPlan plan{
      .num_cores_log2 = static_cast<uint32_t>(std::countr_zero(num_cores)),
      .row_share = 0,
      .slice = static_cast<uint32_t>(round_up(count_of(problem.num_choices, kProcessors), problem.unit()))};
  const uint64_t shared_bytes =
      kProcessors * (plan.slice * uint64_t{problem.id_size + problem.weight_size} + 2 * kAlignment);
  const uint64_t own_bytes = RoutingFewScratch::of(plan, 0, problem.weight_size, problem.pages).end + kAlignment;
  if (shared_bytes > limits.l1.shared_bytes || own_bytes > limits.l1.worker_bytes) {
    return std::nullopt;
  }
  // Rows of a core that L1 has room for: the choices that its workers have found, and the elements and a count.
  const uint64_t found_bytes = kProcessors * (uint64_t{plan.slice} * kernels::kFoundWords + 1) * sizeof(uint32_t);
  const uint64_t row_bytes = round_up(uint64_t{problem.row_width} * sizeof(uint32_t), kAlignment) + 2 * kAlignment;
  const uint64_t most_rows = std::min(
      {(limits.l1.shared_bytes - shared_bytes) / found_bytes,
       (limits.l1.worker_bytes - own_bytes) / row_bytes,
       uint64_t{problem.max_launch_rows / num_cores},
       uint64_t{count_of(problem.num_rows, num_cores)}});
  plan.row_share = static_cast<uint32_t>(most_rows);
  if (plan.row_share == 0) {
    return std::nullopt;
  }
  const uint32_t launch_rows = plan.row_share * num_cores;
  RoutingStepCounts<kNumFewSteps> counts = counts_of(problem, plan);
  for (float& count : counts) {
    count *= static_cast<float>(count_of(problem.num_rows, launch_rows));
  }
  return RoutingFewLaunches{plan, launch_rows, counts, clocks_of(counts, kRoutingFewSteps, limits)};
}

}  // namespace moe::tt::launch
