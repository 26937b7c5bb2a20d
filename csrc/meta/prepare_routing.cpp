#include <torch/library.h>

#include "layout/outputs.h"
#include "schema/names.h"
#include "validate/arguments.h"

namespace moe::meta {

std::tuple<at::Tensor, at::Tensor, at::Tensor> prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, c10::SymInt num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts);
  return empty_routing(routing_weights, num_experts);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
}

}  // namespace moe::meta
