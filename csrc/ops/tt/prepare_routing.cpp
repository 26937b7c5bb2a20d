#include "tt/launch/prepare_routing.h"

#include <torch/library.h>

#include "ops/prepare_routing.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"

namespace moe::tt {
namespace {

RoutingOutputs prepare_routing(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<int64_t> max_tokens) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, local_experts, max_tokens);
  const auto layout = routing_layout(routing_weights, num_experts, local_experts, max_tokens);
  const int64_t num_rows = layout.num_rows.expect_int();
  check_num_elements(kPrepareRouting, "num_routed_tokens", 1, num_rows);
  check_num_elements(kPrepareRouting, "routed_tokens", num_rows, layout.row_width.expect_int());
  RoutingOutputs outputs = empty_routing(routing_weights, num_experts, local_experts, max_tokens);
  auto& [counts, tokens, token_weights] = outputs;
  if (has_no_places(selected_experts, local_experts, max_tokens)) {
    check_ids(kPrepareRouting, selected_experts, routing_weights, num_experts, local_experts);
    counts.zero_();
    tokens.fill_(int64_t{kPaddingToken});
    token_weights.zero_();
    return outputs;
  }
  const RouterInputs inputs(selected_experts, routing_weights, num_experts, local_experts);
  launch::prepare_routing(
      launcher_of(tokens),
      inputs.choices(),
      flat_tensor(counts),
      flat_tensor(tokens),
      flat_tensor(token_weights),
      max_tokens);
  return outputs;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
  // By way of the host. Named here, as the composite would come before the backend's fallback.
  m.impl(kPrepareRoutingBackward, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
