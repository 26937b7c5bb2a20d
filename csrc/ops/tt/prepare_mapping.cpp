#include "tt/launch/prepare_mapping.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/prepare_mapping.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"

namespace moe::tt {
namespace {

at::Tensor prepare_mapping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts, local_experts);
  const int64_t num_columns = num_rows_of(local_experts, num_experts).expect_int();
  check_num_elements(kPrepareMapping, "the map", selected_experts.size(0), num_columns);
  at::Tensor mapping = empty_mapping(routing_weights, num_experts, local_experts);
  if (has_no_places(selected_experts, local_experts)) {
    check_ids(kPrepareMapping, selected_experts, routing_weights, num_experts, local_experts);
    return mapping.zero_();
  }
  const RouterInputs inputs(selected_experts, routing_weights, num_experts, local_experts);
  launch::prepare_mapping(launcher_of(mapping), inputs.choices(), flat_tensor(mapping));
  return mapping;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
  // By way of the host. Named here, as the composite would come before the backend's fallback.
  m.impl(kPrepareMappingBackward, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
