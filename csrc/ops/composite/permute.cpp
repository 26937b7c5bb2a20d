#include "ops/permute.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/composite/choices.h"

namespace moe::composite {

at::Tensor permute_composite(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  check_permute(hidden, grouped_tokens);
  assert_indices(kPermute, "grouped_tokens", grouped_tokens, hidden.size(0));
  if (hidden.size(0) == 0) {
    return at::zeros({grouped_tokens.size(0), hidden.size(1)}, hidden.options());
  }
  return hidden.index_select(0, grouped_tokens.clamp_min(0)).masked_fill_((grouped_tokens < 0).unsqueeze(1), 0);
}

at::Tensor permute_backward(const at::Tensor& grad, const at::Tensor& grouped_tokens, int64_t num_tokens) {
  check_permute_backward(grad, grouped_tokens, num_tokens);
  assert_indices(kPermuteBackward, "grouped_tokens", grouped_tokens, num_tokens);
  const auto dtype = accumulator_of(grad);
  // The last row is for rows without a token.
  const at::Tensor targets = grouped_tokens.to(at::kLong).masked_fill(grouped_tokens < 0, num_tokens);
  at::Tensor sums = at::zeros({num_tokens + 1, grad.size(1)}, grad.options().dtype(dtype));
  sums.index_put_({targets}, grad.to(dtype), /*accumulate=*/true);
  return sums.narrow(0, 0, num_tokens).to(grad.options(), /*non_blocking=*/false, /*copy=*/true);
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kPermute, TORCH_FN(permute_composite));
  m.impl(kPermuteBackward, TORCH_FN(permute_backward));
}

}  // namespace moe::composite
