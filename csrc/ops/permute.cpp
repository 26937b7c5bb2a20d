#include "ops/permute.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def("permute(Tensor hidden, Tensor grouped_tokens) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def(
      "permute_backward(Tensor grad, Tensor grouped_tokens, SymInt num_tokens) -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {

void check_permute(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  check_rows(kPermute, "hidden", "(T, H)", hidden);
  check_indices(kPermute, "grouped_tokens", "(N,)", 1, grouped_tokens);
  check_same_device(kPermute, "hidden", hidden.device(), "grouped_tokens", grouped_tokens.device());
}

at::Tensor empty_permuted(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  return empty_output(kPermute, {grouped_tokens.sym_size(0), hidden.sym_size(1)}, hidden.scalar_type(), hidden);
}

void check_permute_backward(const at::Tensor& grad, const at::Tensor& grouped_tokens, const c10::SymInt& num_tokens) {
  check_rows(kPermuteBackward, "grad", "(N, H)", grad);
  check_summed_dtypes(kPermuteBackward, "grad", grad, grad);
  check_indices(kPermuteBackward, "grouped_tokens", "(N,)", 1, grouped_tokens);
  check_same_device(kPermuteBackward, "grad", grad.device(), "grouped_tokens", grouped_tokens.device());
  TORCH_SYM_CHECK(
      grad.sym_size(0).sym_eq(grouped_tokens.sym_size(0)),
      kPermuteBackward,
      ": expected a row of grad for each of grouped_tokens, got shapes ",
      grad.sym_sizes(),
      " and ",
      grouped_tokens.sym_sizes());
  TORCH_SYM_CHECK(num_tokens.sym_ge(0), kPermuteBackward, ": expected num_tokens of at least 0, got ", num_tokens);
}

at::Tensor empty_permute_backward(const at::Tensor& grad, const c10::SymInt& num_tokens) {
  return empty_output(kPermuteBackward, {num_tokens, grad.sym_size(1)}, grad.scalar_type(), grad);
}

}  // namespace moe
