#include "tt/launch/prepare_mapping.h"

#include <torch/library.h>

#include "ops/prepare_mapping.h"
#include "ops/tt/by_way_of_host.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt {
namespace {

using backend::span_of;
using launch::flat_tensor;

at::Tensor prepare_mapping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts, local_experts);
  if (local_experts.has_value()) {
    const auto [mapping] = by_way_of_host<std::tuple<at::Tensor>>(
        kPrepareMapping, selected_experts, routing_weights, num_experts, local_experts);
    return mapping;
  }
  check_num_elements(kPrepareMapping, "the map", selected_experts.size(0), num_experts);
  at::Tensor mapping = empty_mapping(routing_weights, num_experts, local_experts);
  if (selected_experts.numel() == 0) {
    return mapping.zero_();
  }
  const auto ids = selected_experts.expect_contiguous();
  const auto weights = routing_weights.expect_contiguous();
  launch::prepare_mapping(
      launcher_of(mapping), router_choices(*ids, *weights, num_experts), flat_tensor(span_of(mapping)));
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
  // By way of the host. Named here, as the composite would come before the backend's fallback.
  m.impl(kPrepareMappingBackward, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
