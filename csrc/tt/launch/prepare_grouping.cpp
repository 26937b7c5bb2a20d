#include "tt/launch/prepare_grouping.h"

#include <algorithm>

#include "tt/kernels/prepare_grouping.h"
#include "tt/launch/arguments.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

using kernels::GroupingPlan;
using kernels::GroupingScratch;
using kernels::GroupingShared;
using kernels::kProcessors;

// A core's rows are written to pages of their own, whatever their elements' size.
constexpr uint32_t kMinRowShareLog2 = 5;

// Choices that a worker holds at a time, at most: enough to hide the latency of a read.
constexpr uint32_t kMaxSlice = 4096;

struct GroupingProblem {
  uint32_t num_choices;  // T * K
  uint32_t top_k;        // K
  uint32_t num_groups;
  uint32_t num_rows;
  bool has_max_tokens;
  uint32_t id_size;
  uint32_t weight_size;
  kernels::PageKind pages;

  // A worker takes a multiple of so many choices: where pages are rows, it writes whole rows of positions.
  uint32_t unit() const {
    return pages == kernels::kRowPages ? top_k : 1;
  }
  GroupingShared shared(const GroupingPlan& plan) const {
    return GroupingShared::of(plan, num_groups, has_max_tokens);
  }
  GroupingScratch scratch(uint32_t slice, uint32_t group_share, uint32_t core_rows) const {
    return GroupingScratch::of(slice, top_k, group_share, core_rows, id_size, weight_size, pages);
  }
};

struct GroupingLimits {
  uint32_t num_cores;
  uint32_t core_columns;
  L1Shares l1;
};

// The launch's plan for so many cores and workers with choices. Its slice is 0 if their L1 is too small.
GroupingPlan plan_with(
    const GroupingProblem& problem, const GroupingLimits& limits, uint32_t num_cores, uint32_t choice_workers) {
  const uint32_t unit = problem.unit();
  const uint32_t choice_share = count_of(problem.num_choices / unit, choice_workers) * unit;
  GroupingPlan plan{
      .num_cores = num_cores,
      .num_choice_workers = count_of(problem.num_choices, choice_share),
      .choice_share = choice_share,
      .slice = 0,
      .group_share = count_of(problem.num_groups, num_cores * kProcessors),
      .row_share_log2 = kMinRowShareLog2};
  while (uint64_t{num_cores} << plan.row_share_log2 < problem.num_rows) {
    ++plan.row_share_log2;
  }
  // The counts, and as many rows. Below, their bytes are computed with 32 bits.
  const uint32_t group_words =
      plan.num_choice_workers + kernels::next_rows_stride(plan.num_choice_workers, problem.has_max_tokens);
  if (uint64_t{group_words} * problem.num_groups * sizeof(uint32_t) > limits.l1.shared_bytes) {
    return plan;
  }
  const auto fits = [&](uint32_t slice) {
    const auto scratch = problem.scratch(slice, plan.group_share, 1u << plan.row_share_log2);
    return problem.shared(plan).end <= limits.l1.shared_bytes && scratch.end <= limits.l1.worker_bytes;
  };
  const uint32_t all_rows_log2 = plan.row_share_log2;
  uint32_t slice = std::min(plan.choice_share, std::max(kMaxSlice / unit, 1u) * unit);
  for (; slice > 0; slice = slice / 2 / unit * unit) {
    // Where the rows do not fit into L1, several launches write them; where no rows do, a slice has fewer choices.
    plan.row_share_log2 = all_rows_log2;
    while (plan.row_share_log2 > kMinRowShareLog2 && !fits(slice)) {
      --plan.row_share_log2;
    }
    if (fits(slice)) {
      plan.slice = slice;
      break;
    }
  }
  return plan;
}

// Clocks of the kernel's steps, as measured on simulated Wormhole.
struct GroupingCost {
  float choice = 58;       // to count and send one
  float group_worker = 9;  // to add up and place a worker's choices of a group
  float total = 2;         // of a worker before
  float row = 4;           // to write
  float worker = 2;        // that comes to the barriers
};

// About how many clocks the slowest worker takes. What all plans have in common is left out.
float estimate_clocks(const GroupingProblem& problem, const GroupingPlan& plan) {
  constexpr GroupingCost cost;
  const auto workers = static_cast<float>(plan.num_cores * kProcessors);
  const auto group_workers = static_cast<float>(count_of(problem.num_groups, plan.group_share));
  const uint64_t launch_rows = uint64_t{plan.num_cores} << plan.row_share_log2;
  const auto launches = static_cast<float>(div_up(problem.num_rows, launch_rows));
  const auto rows = static_cast<float>(std::min<uint64_t>(problem.num_rows, uint64_t{1} << plan.row_share_log2));
  const auto pairs = static_cast<float>(plan.group_share) * static_cast<float>(plan.num_choice_workers);
  return launches * (cost.choice * static_cast<float>(plan.choice_share) + cost.group_worker * pairs +
                     cost.total * group_workers + cost.row * rows + cost.worker * workers);
}

// The plan that should take the fewest clocks. Throws DeviceError if L1 is too small.
GroupingPlan plan_grouping(const GroupingProblem& problem, const GroupingLimits& limits) {
  GroupingPlan best{};
  float best_clocks = 0;
  // A multicast takes a rectangle of cores: a part of one row, or whole rows.
  for (uint32_t cores = 1; cores <= limits.num_cores; cores += cores < limits.core_columns ? 1 : limits.core_columns) {
    for (uint32_t choice_workers = cores * kProcessors; choice_workers > 0; choice_workers /= 2) {
      const GroupingPlan plan = plan_with(problem, limits, cores, choice_workers);
      const float clocks = estimate_clocks(problem, plan);
      if (plan.slice > 0 && (best.slice == 0 || clocks < best_clocks)) {
        best = plan;
        best_clocks = clocks;
      }
    }
  }
  if (best.slice == 0) {
    throw runtime::DeviceError(
        str("expected L1 for the counts of ",
            problem.num_groups,
            " groups, got ",
            limits.l1.worker_bytes,
            " bytes a worker and ",
            limits.l1.shared_bytes,
            " bytes that a core's workers share"));
  }
  return best;
}

}  // namespace

uint32_t max_groups(const Target& target) {
  const L1Shares l1 = target.l1_shares();
  // The counts and as many rows in the shared half of L1, and the sizes and offsets of half of the groups in a
  // worker's; half of either is for the choices and the rows.
  constexpr uint32_t kGroupBytes = 2 * kProcessors * sizeof(uint32_t);
  return std::min(l1.shared_bytes, 2 * l1.worker_bytes) / 2 / kGroupBytes;
}

std::vector<Launch> plan_prepare_grouping(
    const Target& target,
    const RouterChoices& choices,
    const GroupingOptions& options,
    const kernels::InvalidIdArgs& invalid_ids,
    const GroupingOutputs& outputs) {
  const uint32_t num_choices = choices.num_tokens * choices.top_k;
  const uint32_t max_tokens = options.max_tokens.value_or(kMaxGroupedSize);
  const auto layout = GroupingLayout<uint64_t>::of(num_choices, choices.num_rows(), options.alignment, max_tokens);
  const GroupingProblem problem{
      .num_choices = num_choices,
      .top_k = choices.top_k,
      .num_groups = choices.num_rows(),
      .num_rows = static_cast<uint32_t>(layout.num_rows),
      .has_max_tokens = options.max_tokens.has_value(),
      .id_size = choices.id_size,
      .weight_size = choices.weight_size,
      .pages = choices.ids.pages()};
  GroupingLimits limits{.num_cores = target.num_cores(), .core_columns = target.grid_x, .l1 = target.l1_shares()};
  const std::vector<uint32_t> circular_buffers = limits.l1.circular_buffers();
  limits.l1.worker_bytes = bytes_beside_row_map(choices, limits.l1.worker_bytes);
  const GroupingPlan plan = plan_grouping(problem, limits);
  const uint32_t core_rows = 1u << plan.row_share_log2;
  const uint64_t launch_rows = uint64_t{plan.num_cores} * core_rows;
  std::vector<Launch> launches;
  for (uint64_t first_row = 0; first_row < layout.num_rows; first_row += launch_rows) {
    const kernels::GroupingArgs args{
        .choices = choices_args(choices),
        .invalid_ids = invalid_ids,
        .sizes = outputs.sizes.range,
        .offsets = outputs.offsets.range,
        .tokens = outputs.tokens.range,
        .weights = outputs.weights.range,
        .positions = outputs.positions.range,
        .num_groups = problem.num_groups,
        .alignment = options.alignment,
        .max_tokens = max_tokens,
        .first_row = static_cast<uint32_t>(first_row),
        .num_rows = static_cast<uint32_t>(std::min(launch_rows, layout.num_rows - first_row)),
        .plan = plan,
        .shared = problem.shared(plan),
        .scratch = problem.scratch(plan.slice, plan.group_share, core_rows)};
    launches.push_back(
        {.kernel = "prepare_grouping",
         .id_size = choices.id_size,
         .weight_size = choices.weight_size,
         .pages = choices.ids.pages(),
         .options = choices.options() | (options.max_tokens ? kernels::kMaxTokens : 0u),
         .num_tensors = choices.num_tensors(kernels::kNumGroupingTensors),
         .num_cores = plan.num_cores,
         .num_semaphores = kernels::kNumEveryoneSemaphores,
         .circular_buffers = circular_buffers,
         .common_args = target.with_coordinates(words(args), plan.num_cores)});
  }
  return launches;
}

void prepare_grouping(
    Launcher& launcher, const RouterChoices& choices, const GroupingOptions& options, const GroupingOutputs& outputs) {
  const auto& [sizes, offsets, tokens, weights, positions] = outputs;
  launcher.call(
      checks_of(kPrepareGrouping, choices),
      tensors_of(choices, {sizes, offsets, tokens, weights, positions}),
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return plan_prepare_grouping(launcher.target, choices, options, invalid_ids, outputs);
      });
}

}  // namespace moe::tt::launch
