#include "ops/prepare_mapping.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "prepare_mapping(Tensor selected_experts, Tensor routing_weights, SymInt num_experts) -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {
namespace {

MappingLayout<c10::SymInt> layout_of(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  return MappingLayout<c10::SymInt>::of(routing_weights.sym_size(0), num_experts);
}

}  // namespace

void check_prepare_mapping(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  check_router_choices(kPrepareMapping, selected_experts, routing_weights, num_experts);
  const auto [num_tokens, num_columns] = layout_of(routing_weights, num_experts);
  TORCH_CHECK(
      product_fits({num_tokens, num_columns, routing_weights.element_size()}, kMaxBytes),
      kPrepareMapping,
      ": expected sizes whose output fits in 2^63 - 1 bytes, got T = ",
      num_tokens,
      " and num_experts = ",
      num_experts);
}

at::Tensor empty_mapping(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  const auto [num_tokens, num_columns] = layout_of(routing_weights, num_experts);
  return empty_output({num_tokens, num_columns}, routing_weights.scalar_type(), routing_weights);
}

}  // namespace moe
