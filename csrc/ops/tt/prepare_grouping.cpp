#include "tt/launch/prepare_grouping.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/prepare_grouping.h"
#include "ops/tt/by_way_of_host.h"
#include "ops/tt/launchers.h"

namespace moe::tt {
namespace {

void launch_grouping(
    launch::Launcher& launcher,
    const launch::RouterChoices& choices,
    const launch::GroupingOptions& options,
    const GroupingOutputs& outputs) {
  const auto& [sizes, offsets, tokens, weights, positions] = outputs;
  launch::prepare_grouping(
      launcher,
      choices,
      options,
      {.sizes = flat_tensor(sizes),
       .offsets = flat_tensor(offsets),
       .tokens = flat_tensor(tokens),
       .weights = flat_tensor(weights),
       .positions = flat_tensor(positions)});
}

GroupingOutputs prepare_grouping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    int64_t alignment,
    std::optional<int64_t> max_tokens) {
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  launch::Launcher& launcher = launcher_of(routing_weights);
  if (num_rows_of(local_experts, num_experts) > launch::max_groups(launcher.target)) {
    return by_way_of_host<GroupingOutputs>(
        kPrepareGrouping, selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  }
  GroupingOutputs outputs = empty_grouping(routing_weights, num_experts, local_experts, alignment, max_tokens);
  if (has_no_places(selected_experts, local_experts, max_tokens)) {
    check_ids(kPrepareGrouping, selected_experts, routing_weights, num_experts, local_experts);
    auto& [sizes, offsets, tokens, grouped_weights, positions] = outputs;
    sizes.zero_();
    offsets.zero_();
    tokens.fill_(kNone);
    grouped_weights.zero_();
    positions.fill_(kNone);
    return outputs;
  }
  const RouterInputs inputs(selected_experts, routing_weights, num_experts, local_experts);
  launch_grouping(launcher, inputs.choices(), {static_cast<uint32_t>(alignment), max_tokens}, outputs);
  return outputs;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareGrouping, TORCH_FN(prepare_grouping));
}

}  // namespace moe::tt
