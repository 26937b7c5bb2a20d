#include "tt/launch/prepare_routing.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <variant>
#include <vector>

#include "tt/launch/arguments.h"
#include "tt/launch/prepare_routing_few.h"
#include "tt/launch/prepare_routing_many.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

// The kernels.
constexpr const char* kFew = "prepare_routing_few";
constexpr const char* kMany = "prepare_routing_many";

// The rows of one launch, at most. A kernel counts the bytes of a run of padding, which may be all of a core's rows, in
// 32 bits.
uint32_t max_launch_rows(const RoutingLayout<uint64_t>& layout) {
  const uint64_t countable = std::numeric_limits<uint32_t>::max() / (layout.row_width * sizeof(uint32_t));
  if (countable == 0) {
    throw runtime::DeviceError(
        str("expected rows of less than 2^30 elements, got ", layout.row_width, "; route the tokens in several calls"));
  }
  return static_cast<uint32_t>(std::min(layout.num_rows, countable));
}

// A plan of either kernel.
using RoutingPlan = std::variant<RoutingFewLaunches, RoutingManyLaunches>;

float total_clocks(const RoutingPlan& plan) {
  return std::visit([](const auto& launches) { return launches.clocks; }, plan);
}

// What plans depend on.
class RoutingPlanner {
 public:
  RoutingPlanner(const Target& target, const RouterChoices& choices, std::optional<uint32_t> max_tokens)
      : target_(target),
        choices_(choices),
        layout_(
            RoutingLayout<uint64_t>::of_width(
                choices.num_rows(), max_tokens.value_or(choices.num_tokens * choices.top_k))) {
    check_countable(layout_.num_rows, layout_.row_width);
  }

  const RoutingLayout<uint64_t>& layout() const {
    return layout_;
  }

  // One or more.
  std::vector<RoutingPlan> plans() const {
    const RoutingProblem problem = this->problem();
    const RoutingLimits limits = this->limits();
    std::vector<RoutingPlan> plans;
    if (const auto few = plan_routing_few(problem, limits)) {
      plans.emplace_back(*few);
    }
    std::ranges::copy(plans_routing_many(problem, limits), std::back_inserter(plans));
    if (plans.empty()) {
      throw runtime::DeviceError(
          str("expected L1 for a choice or more, got ",
              limits.l1.worker_bytes,
              " bytes a worker and ",
              limits.l1.shared_bytes,
              " bytes that a core's workers share"));
    }
    return plans;
  }

  bool is_blackhole() const {
    return target_.architecture == "blackhole";
  }

 private:
  RoutingProblem problem() const {
    return {
        .num_choices = choices_.num_tokens * choices_.top_k,
        .top_k = choices_.top_k,
        .choice_rows = choices_.num_rows(),
        .num_rows = static_cast<uint32_t>(layout_.num_rows),
        .max_launch_rows = max_launch_rows(layout_),
        .row_width = static_cast<uint32_t>(layout_.row_width),
        .id_size = choices_.id_size,
        .weight_size = choices_.weight_size,
        .pages = choices_.ids.pages(),
        .id_page_size = choices_.ids.range.page_size,
        .weight_page_size = choices_.weights.range.page_size};
  }

  RoutingLimits limits() const {
    RoutingLimits limits{.is_blackhole = is_blackhole(), .num_cores = target_.num_cores(), .l1 = target_.l1_shares()};
    limits.l1.worker_bytes = bytes_beside_row_map(choices_, limits.l1.worker_bytes);
    return limits;
  }

  const Target& target_;
  const RouterChoices& choices_;
  const RoutingLayout<uint64_t> layout_;
};

// A call: what all of its launches have in common, whichever kernel they are of.
class RoutingCall {
 public:
  RoutingCall(
      const Target& target,
      const RouterChoices& choices,
      const RoutingLayout<uint64_t>& layout,
      const kernels::InvalidIdArgs& invalid_ids,
      const Tensor& counts,
      const Tensor& tokens,
      const Tensor& weights,
      bool has_max_tokens)
      : target_(target),
        choices_(choices),
        layout_(layout),
        invalid_ids_(invalid_ids),
        counts_(counts),
        tokens_(tokens),
        weights_(weights),
        has_max_tokens_(has_max_tokens) {}

  std::vector<Launch> launches(const RoutingFewLaunches& few) const {
    return launches(few.launch_rows, [&](const kernels::RoutingArgs& routing) {
      const kernels::RoutingFewArgs args{
          .routing = routing,
          .plan = few.plan,
          .shared = kernels::RoutingFewShared::of(few.plan, choices_.id_size, choices_.weight_size),
          .scratch =
              kernels::RoutingFewScratch::of(few.plan, routing.row_width, choices_.weight_size, choices_.ids.pages())};
      Launch launch = launch_of(kFew, target_.whole_rows(1u << few.plan.num_cores_log2));
      launch.num_semaphores = kernels::kNumRoutingFewSemaphores;
      launch.common_args.assign(words(args).begin(), words(args).end());
      return launch;
    });
  }

  std::vector<Launch> launches(const RoutingManyLaunches& many) const {
    const uint32_t choice_rows = std::min(many.launch_rows, choices_.num_rows());
    return launches(many.launch_rows, [&](const kernels::RoutingArgs& routing) {
      const kernels::RoutingManyArgs args{
          .routing = routing,
          .plan = many.plan,
          .shared = kernels::RoutingManyShared::of(many.plan, choice_rows, choices_.id_size, choices_.weight_size),
          .scratch = kernels::RoutingManyScratch::of(many.plan, choices_.ids.pages())};
      Launch launch = launch_of(kMany, many.plan.num_cores);
      launch.num_semaphores = kernels::kNumEveryoneSemaphores;
      launch.common_args = target_.with_coordinates(words(args), launch.num_cores);
      return launch;
    });
  }

 private:
  Launch launch_of(const char* kernel, uint32_t num_cores) const {
    return {
        .kernel = kernel,
        .id_size = choices_.id_size,
        .weight_size = choices_.weight_size,
        .pages = choices_.ids.pages(),
        .options = choices_.options() | (has_max_tokens_ ? kernels::kMaxTokens : 0u),
        .num_tensors = choices_.num_tensors(kernels::kNumRoutingTensors),
        .num_cores = num_cores,
        .num_semaphores = 0,
        .circular_buffers = target_.l1_shares().circular_buffers(),
        .common_args = {}};
  }

  // A launch for each of so many rows.
  template <typename LaunchWith>
  std::vector<Launch> launches(uint32_t launch_rows, const LaunchWith& launch_with) const {
    std::vector<Launch> launches;
    for (uint64_t first_row = 0; first_row < layout_.num_rows; first_row += launch_rows) {
      const auto num_rows = static_cast<uint32_t>(std::min<uint64_t>(launch_rows, layout_.num_rows - first_row));
      launches.push_back(launch_with(
          {.choices = choices_args(choices_),
           .invalid_ids = invalid_ids_,
           .counts = from_byte(counts_.range, first_row * sizeof(uint32_t)),
           .tokens = from_byte(tokens_.range, first_row * layout_.row_width * sizeof(uint32_t)),
           .weights = from_byte(weights_.range, first_row * layout_.row_width * choices_.weight_size),
           .first_row = static_cast<uint32_t>(first_row),
           .num_rows = num_rows,
           .row_width = static_cast<uint32_t>(layout_.row_width)}));
      launches.back().options |= num_rows < layout_.num_rows ? kernels::kSomeRows : 0u;
    }
    return launches;
  }

  const Target& target_;
  const RouterChoices& choices_;
  const RoutingLayout<uint64_t>& layout_;
  const kernels::InvalidIdArgs& invalid_ids_;
  const Tensor& counts_;
  const Tensor& tokens_;
  const Tensor& weights_;
  const bool has_max_tokens_;
};

}  // namespace

std::vector<Launch> plan_prepare_routing(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens,
    std::optional<size_t> plan) {
  const RoutingPlanner planner(target, choices, max_tokens);
  const std::vector<RoutingPlan> plans = planner.plans();
  const RoutingPlan& chosen = plan ? plans.at(*plan) : *std::ranges::min_element(plans, {}, total_clocks);
  const RoutingCall call(
      target, choices, planner.layout(), invalid_ids, counts, tokens, weights, max_tokens.has_value());
  return std::visit([&](const auto& launches) { return call.launches(launches); }, chosen);
}

void prepare_routing(
    Launcher& launcher,
    const RouterChoices& choices,
    const Tensor& counts,
    const Tensor& tokens,
    const Tensor& weights,
    std::optional<uint32_t> max_tokens,
    std::optional<size_t> plan) {
  launcher.call(
      checks_of(kPrepareRouting, choices),
      tensors_of(choices, {counts, tokens, weights}),
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return plan_prepare_routing(launcher.target, choices, invalid_ids, counts, tokens, weights, max_tokens, plan);
      });
}

std::vector<RoutingCost> routing_costs(
    const Target& target, const RouterChoices& choices, std::optional<uint32_t> max_tokens) {
  const RoutingPlanner planner(target, choices, max_tokens);
  const auto cost = [&](const char* kernel, const auto& steps, const auto& counts) {
    RoutingCost cost{kernel, {}};
    for (size_t step = 0; step < steps.size(); ++step) {
      cost.steps.push_back({steps[step].name, counts[step], steps[step].clocks(planner.is_blackhole())});
    }
    return cost;
  };
  std::vector<RoutingCost> costs;
  for (const RoutingPlan& plan : planner.plans()) {
    const auto* few = std::get_if<RoutingFewLaunches>(&plan);
    costs.push_back(
        few != nullptr ? cost(kFew, kRoutingFewSteps, few->counts)
                       : cost(kMany, kRoutingManySteps, std::get<RoutingManyLaunches>(plan).counts));
  }
  return costs;
}

}  // namespace moe::tt::launch
