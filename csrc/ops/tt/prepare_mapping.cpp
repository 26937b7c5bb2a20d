#include <torch/library.h>

#include "contract/names.h"
#include "ops/arguments.h"
#include "ops/outputs.h"
#include "ops/tt/launchers.h"

namespace moe::tt {
namespace {

at::Tensor prepare_mapping(const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts);
  check_num_elements(kPrepareMapping, "the map", selected_experts.size(0), num_experts);
  at::Tensor mapping = empty_mapping(routing_weights, num_experts);
  if (selected_experts.numel() == 0) {
    return mapping.zero_();
  }
  const auto ids = selected_experts.expect_contiguous();
  const auto weights = routing_weights.expect_contiguous();
  launcher_of(mapping).prepare_mapping(kPrepareMapping, choices_of(*ids, *weights, num_experts), flat_span(mapping));
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
}

}  // namespace moe::tt
