#include "tt/launch/permute.h"

#include <algorithm>
#include <tuple>

#include <torch/library.h>

#include "ops/permute.h"
#include "ops/tt/by_way_of_host.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"

namespace moe::tt {
namespace {

at::Tensor permute(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  check_permute(hidden, grouped_tokens);
  const int64_t most_rows = std::max(hidden.size(0), grouped_tokens.size(0));
  if (!launch::has_permute_kernel(most_rows, hidden.size(1), hidden.element_size())) {
    // Elements of a byte, and 8 GiB and more.
    return std::get<0>(by_way_of_host<std::tuple<at::Tensor>>(kPermute, hidden, grouped_tokens));
  }
  at::Tensor permuted = empty_permuted(hidden, grouped_tokens);
  if (permuted.numel() == 0) {
    return permuted;
  }
  const auto rows = hidden.expect_contiguous();
  const auto tokens = grouped_tokens.expect_contiguous();
  launch::permute(
      launcher_of(permuted),
      {// No tokens have no memory, and nothing is read of them.
       .hidden = flat_tensor(hidden.size(0) == 0 ? permuted : *rows),
       .grouped_tokens = flat_tensor(*tokens),
       .num_tokens = static_cast<uint32_t>(hidden.size(0)),
       .num_rows = static_cast<uint32_t>(grouped_tokens.size(0)),
       .row_size = static_cast<uint32_t>(hidden.size(1) * hidden.element_size())},
      flat_tensor(permuted));
  return permuted;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPermute, TORCH_FN(permute));
  // By way of the host. Named here, as the composite would come before the backend's fallback.
  m.impl(kPermuteBackward, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
