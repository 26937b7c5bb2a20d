#include <torch/library.h>

#include "ops/prepare_mapping.h"

namespace moe::meta {

at::Tensor prepare_mapping(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, c10::SymInt num_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts);
  return empty_mapping(routing_weights, num_experts);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
}

}  // namespace moe::meta
