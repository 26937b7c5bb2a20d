#pragma once

// Each plan of a routing, which benchmarks/routing_plans.py measures; the operator launches the best of them alone.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "export.h"
#include "ops/prepare_routing.h"
#include "tt/launch/prepare_routing.h"

namespace moe::tt {

// Of moe::prepare_routing with these arguments, which are on tt; there are choices.
MOE_API std::vector<launch::RoutingCost> routing_costs(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts);

// moe::prepare_routing by the plan of routing_costs() at that place.
MOE_API RoutingOutputs prepare_routing_by_plan(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts, size_t plan);

}  // namespace moe::tt
