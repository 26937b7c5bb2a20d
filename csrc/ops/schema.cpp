#include <torch/library.h>

#include "contract/names.h"

TORCH_LIBRARY(moe, m) {
  m.def(
      "prepare_mapping(Tensor selected_experts, Tensor routing_weights, SymInt num_experts) -> Tensor",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "prepare_routing(Tensor selected_experts, Tensor routing_weights, SymInt num_experts)"
      " -> (Tensor num_routed_tokens, Tensor routed_tokens, Tensor routed_token_weights)",
      {at::Tag::pt2_compliant_tag});
}
