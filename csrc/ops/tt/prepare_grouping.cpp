#include "tt/launch/prepare_grouping.h"

#include <ATen/core/stack.h>
#include <torch/library.h>

#include "ops/prepare_grouping.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt {
namespace {

launch::Tensor flat(const at::Tensor& tensor) {
  return launch::flat_tensor(backend::span_of(tensor));
}

void launch_grouping(
    launch::Launcher& launcher,
    const launch::RouterChoices& choices,
    int64_t alignment,
    const GroupingOutputs& outputs) {
  const auto& [sizes, offsets, tokens, weights, positions] = outputs;
  launch::prepare_grouping(
      launcher,
      choices,
      static_cast<uint32_t>(alignment),
      {.sizes = flat(sizes),
       .offsets = flat(offsets),
       .tokens = flat(tokens),
       .weights = flat(weights),
       .positions = flat(positions)});
}

// Boxed, for what the kernel does not serve goes by way of the host, with the fallback's warning: local experts,
// capacity, and more experts than have room in a core's L1.
void prepare_grouping(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  const at::Tensor selected_experts = arguments[0].toTensor();
  const at::Tensor routing_weights = arguments[1].toTensor();
  const int64_t num_experts = arguments[2].toInt();
  const auto local_experts = arguments[3].toOptional<at::Tensor>();
  const int64_t alignment = arguments[4].toInt();
  const auto max_tokens = arguments[5].toOptional<int64_t>();
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  if (local_experts.has_value() || max_tokens.has_value()) {
    backend::fallback(op, stack);
    return;
  }
  launch::Launcher& launcher = launcher_of(routing_weights);
  if (num_experts > launch::max_groups(launcher.target)) {
    backend::fallback(op, stack);
    return;
  }
  GroupingOutputs outputs = empty_grouping(routing_weights, num_experts, local_experts, alignment, max_tokens);
  if (selected_experts.numel() == 0) {
    std::get<0>(outputs).zero_();
    std::get<1>(outputs).zero_();
  } else {
    const auto ids = selected_experts.expect_contiguous();
    const auto weights = routing_weights.expect_contiguous();
    launch_grouping(launcher, router_choices(*ids, *weights, num_experts), alignment, outputs);
  }
  torch::jit::drop(*stack, op.schema().arguments().size());
  std::apply([&](auto&... output) { torch::jit::push(*stack, std::move(output)...); }, outputs);
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareGrouping, torch::CppFunction::makeFromBoxedFunction<&prepare_grouping>());
}

}  // namespace moe::tt
