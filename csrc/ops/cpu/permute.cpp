#include "ops/permute.h"

#include <torch/library.h>

#include "ops/cpu/gather.h"
#include "ops/cpu/memory.h"
#include "ops/cpu/rows.h"

namespace moe::cpu {

at::Tensor permute(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  check_permute(hidden, grouped_tokens);
  at::Tensor permuted = empty_permuted(hidden, grouped_tokens);
  const auto hidden_tensor = hidden.expect_contiguous();
  const auto index_tensor = grouped_tokens.expect_contiguous();
  RowIndex tokens(*index_tensor, hidden.size(0));
  gather_rows(permuted, *hidden_tensor, tokens, 0);
  tokens.raise_if_any(kPermute, "grouped_tokens", std::nullopt);
  return permuted;
}

at::Tensor permute_backward(const at::Tensor& grad, const at::Tensor& grouped_tokens, int64_t num_tokens) {
  check_permute_backward(grad, grouped_tokens, num_tokens);
  at::Tensor sums = empty_permute_backward(grad, num_tokens);
  const auto grad_tensor = grad.expect_contiguous();
  const auto index_tensor = grouped_tokens.expect_contiguous();
  RowIndex tokens(*index_tensor, num_tokens);
  const PositionsOfRows rows(tokens, num_tokens);
  tokens.raise_if_any(kPermuteBackward, "grouped_tokens", std::nullopt);
  const int64_t size = grad.size(1);
  dispatch_summed(grad.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const T* const source = grad_tensor->const_data_ptr<T>();
    T* const target = sums.mutable_data_ptr<T>();
    parallel_for(num_tokens, grain_of_rows(size), [&](int64_t begin, int64_t end) {
      sum_rows(target, begin, end, size, [&](int64_t token, const auto& add) {
        rows.of_row(token, [&](int64_t row) { add(source + row * size, 1); });
      });
    });
  });
  return sums;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPermute, TORCH_FN((saying_memory<kPermute, permute>)));
  m.impl(kPermuteBackward, TORCH_FN((saying_memory<kPermuteBackward, permute_backward>)));
}

}  // namespace moe::cpu
