#include "ops/tt/routing_plans.h"

#include <optional>

#include "ops/tt/launchers.h"

namespace moe::tt {

std::vector<launch::RoutingCost> routing_costs(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, std::nullopt, std::nullopt);
  const RouterInputs inputs(selected_experts, routing_weights, num_experts, std::nullopt);
  return launch::routing_costs(launcher_of(selected_experts).target, inputs.choices());
}

RoutingOutputs prepare_routing_by_plan(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts, size_t plan) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, std::nullopt, std::nullopt);
  RoutingOutputs outputs = empty_routing(routing_weights, num_experts, std::nullopt, std::nullopt);
  const auto& [counts, tokens, weights] = outputs;
  const RouterInputs inputs(selected_experts, routing_weights, num_experts, std::nullopt);
  launch::prepare_routing(
      launcher_of(tokens),
      inputs.choices(),
      flat_tensor(counts),
      flat_tensor(tokens),
      flat_tensor(weights),
      std::nullopt,
      plan);
  return outputs;
}

}  // namespace moe::tt
