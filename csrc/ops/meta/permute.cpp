#include <torch/library.h>

#include "ops/permute.h"

namespace moe::meta {

at::Tensor permute_meta(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  check_permute(hidden, grouped_tokens);
  return empty_permuted(hidden, grouped_tokens);
}

at::Tensor permute_backward(const at::Tensor& grad, const at::Tensor& grouped_tokens, c10::SymInt num_tokens) {
  check_permute_backward(grad, grouped_tokens, num_tokens);
  return empty_permute_backward(grad, num_tokens);
}

TORCH_LIBRARY_IMPL(moe, Meta, m) {
  m.impl(kPermute, TORCH_FN(permute_meta));
  m.impl(kPermuteBackward, TORCH_FN(permute_backward));
}

}  // namespace moe::meta
