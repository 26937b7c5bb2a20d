#include "ops/grouped_linear.h"

#include <torch/library.h>

namespace moe::meta {

at::Tensor grouped_linear_meta(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear(input, weight, group_offsets, bias, grouped_tokens);
  return empty_grouped_linear(input, weight, grouped_tokens);
}

at::Tensor grouped_linear_backward_weight(
    const at::Tensor& grad,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear_backward_weight(grad, input, group_offsets, grouped_tokens);
  return empty_grouped_linear_backward_weight(grad, input, group_offsets);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kGroupedLinear, TORCH_FN(grouped_linear_meta));
  m.impl(kGroupedLinearBackwardWeight, TORCH_FN(grouped_linear_backward_weight));
}

}  // namespace moe::meta
