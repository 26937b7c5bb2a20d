#include "ops/prepare_routing.h"

#include <torch/library.h>

#include "contract/choices.h"
#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "prepare_routing(Tensor selected_experts, Tensor routing_weights, SymInt num_experts, *,"
      " Tensor? local_experts=None, SymInt? max_tokens=None)"
      " -> (Tensor num_routed_tokens, Tensor routed_tokens, Tensor routed_token_weights)",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "prepare_routing_backward(Tensor grad, Tensor selected_experts, SymInt num_experts, Tensor? local_experts)"
      " -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {

RoutingLayout<c10::SymInt> routing_layout(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens) {
  using Layout = RoutingLayout<c10::SymInt>;
  const auto num_rows = num_rows_of(local_experts, num_experts);
  return max_tokens.has_value() ? Layout::of_width(num_rows, *max_tokens)
                                : Layout::of(routing_weights.sym_size(0), routing_weights.sym_size(1), num_rows);
}

void check_prepare_routing(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens) {
  check_router_choices(kPrepareRouting, selected_experts, routing_weights, num_experts);
  check_local_experts(kPrepareRouting, local_experts, selected_experts);
  if (max_tokens.has_value()) {
    check_size(kPrepareRouting, "max_tokens", *max_tokens, 0, kMaxChoices);
  }
  const auto& num_tokens = selected_experts.sym_size(0);
  const auto& top_k = selected_experts.sym_size(1);
  TORCH_CHECK(
      product_fits({num_tokens, top_k}, kMaxChoices),
      kPrepareRouting,
      ": expected at most 2^32 - 1 choices (T * K), got T = ",
      num_tokens,
      " and K = ",
      top_k);
  const auto [num_rows, row_width] = routing_layout(routing_weights, num_experts, local_experts, max_tokens);
  TORCH_CHECK(
      product_fits({num_rows, row_width, sizeof(uint32_t)}, kMaxBytes),
      kPrepareRouting,
      ": expected sizes whose outputs fit in 2^63 - 1 bytes each, got T = ",
      num_tokens,
      ", K = ",
      top_k,
      local_experts.has_value() ? " and L = " : " and num_experts = ",
      num_rows_of(local_experts, num_experts));
}

RoutingOutputs empty_routing(
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts,
    const std::optional<c10::SymInt>& max_tokens) {
  const auto [num_rows, row_width] = routing_layout(routing_weights, num_experts, local_experts, max_tokens);
  return {
      empty_output(kPrepareRouting, {1, num_rows}, at::kUInt32, routing_weights),
      empty_output(kPrepareRouting, {num_rows, row_width}, at::kUInt32, routing_weights),
      empty_output(kPrepareRouting, {num_rows, row_width}, routing_weights.scalar_type(), routing_weights)};
}

void check_prepare_routing_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts) {
  constexpr auto op = kPrepareRoutingBackward;
  check_choices_grad(op, "(R, W)", grad, selected_experts, num_experts, local_experts);
  const auto num_rows = num_rows_of(local_experts, num_experts);
  TORCH_SYM_CHECK(
      grad.sym_size(0).sym_eq(RoutingLayout<c10::SymInt>::of_width(num_rows, 0).num_rows),
      op,
      ": expected the gradient of lists (R, W) of the padded rows as grad, got shape ",
      grad.sym_sizes());
}

at::Tensor empty_prepare_routing_backward(const at::Tensor& grad, const at::Tensor& selected_experts) {
  return empty_output(kPrepareRoutingBackward, selected_experts.sym_sizes(), grad.scalar_type(), grad);
}

}  // namespace moe
