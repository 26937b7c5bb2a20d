#include "ops/prepare_routing.h"

#include <torch/library.h>

#include "contract/choices.h"
#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "prepare_routing(Tensor selected_experts, Tensor routing_weights, SymInt num_experts)"
      " -> (Tensor num_routed_tokens, Tensor routed_tokens, Tensor routed_token_weights)",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {
namespace {

RoutingLayout<c10::SymInt> layout_of(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  return RoutingLayout<c10::SymInt>::of(routing_weights.sym_size(0), routing_weights.sym_size(1), num_experts);
}

}  // namespace

void check_prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  check_router_choices(kPrepareRouting, selected_experts, routing_weights, num_experts);
  const auto& num_tokens = selected_experts.sym_size(0);
  const auto& top_k = selected_experts.sym_size(1);
  TORCH_CHECK(
      product_fits({num_tokens, top_k}, kMaxChoices),
      kPrepareRouting,
      ": expected at most 2^32 - 1 choices (T * K), got T = ",
      num_tokens,
      " and K = ",
      top_k);
  const auto [num_rows, row_width] = layout_of(routing_weights, num_experts);
  TORCH_CHECK(
      product_fits({num_rows, row_width, sizeof(uint32_t)}, kMaxBytes),
      kPrepareRouting,
      ": expected sizes whose outputs fit in 2^63 - 1 bytes each, got T = ",
      num_tokens,
      ", K = ",
      top_k,
      " and num_experts = ",
      num_experts);
}

RoutingOutputs empty_routing(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  const auto [num_rows, row_width] = layout_of(routing_weights, num_experts);
  return {
      empty_output({1, num_rows}, at::kUInt32, routing_weights),
      empty_output({num_rows, row_width}, at::kUInt32, routing_weights),
      empty_output({num_rows, row_width}, routing_weights.scalar_type(), routing_weights)};
}

}  // namespace moe
