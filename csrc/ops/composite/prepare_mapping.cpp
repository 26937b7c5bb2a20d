#include "ops/prepare_mapping.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/composite/choices.h"

namespace moe::composite {

at::Tensor prepare_mapping_composite(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts, local_experts);
  const int64_t num_columns = num_rows_of(local_experts, num_experts).expect_int();
  const at::Tensor columns = rows_of_choices(kPrepareMapping, selected_experts, num_experts, local_experts);
  // The last column is for choices that have none.
  at::Tensor mapping = at::zeros({columns.size(0), num_columns + 1}, routing_weights.options());
  for (int64_t k = 0; k < columns.size(1); ++k) {  // one after another, so that the last of a repeated id stays
    mapping.scatter_(1, columns.narrow(1, k, 1), routing_weights.narrow(1, k, 1));
  }
  return mapping.narrow(1, 0, num_columns).clone(at::MemoryFormat::Contiguous);
}

at::Tensor prepare_mapping_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping_backward(grad, selected_experts, num_experts, local_experts);
  const at::Tensor columns = rows_of_choices(kPrepareMappingBackward, selected_experts, num_experts, local_experts);
  const at::Tensor overwritten = (columns.unsqueeze(2) == columns.unsqueeze(1)).triu(1).any(2);
  return at::constant_pad_nd(grad, {0, 1}, 0).gather(1, columns).masked_fill_(overwritten, 0);
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping_composite));
  m.impl(kPrepareMappingBackward, TORCH_FN(prepare_mapping_backward));
}

}  // namespace moe::composite
