#include "tt/launch/permute.h"

#include <algorithm>

#include <ATen/core/stack.h>
#include <torch/library.h>

#include "ops/permute.h"
#include "ops/tt/launchers.h"
#include "tt/backend/fallback/fallback.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt {
namespace {

launch::Tensor flat(const at::Tensor& tensor) {
  return launch::flat_tensor(backend::span_of(tensor));
}

int64_t bytes_of_row(const at::Tensor& hidden) {
  return hidden.size(1) * static_cast<int64_t>(hidden.element_size());
}

at::Tensor permute_rows(const at::Tensor& hidden, const at::Tensor& grouped_tokens) {
  at::Tensor permuted = empty_permuted(hidden, grouped_tokens);
  if (permuted.numel() == 0) {
    return permuted;
  }
  const auto rows = hidden.expect_contiguous();
  const auto tokens = grouped_tokens.expect_contiguous();
  launch::permute(
      launcher_of(permuted),
      {// No tokens have no memory, and nothing is read of them.
       .hidden = flat(hidden.size(0) == 0 ? permuted : *rows),
       .grouped_tokens = flat(*tokens),
       .num_tokens = static_cast<uint32_t>(hidden.size(0)),
       .num_rows = static_cast<uint32_t>(grouped_tokens.size(0)),
       .row_size = static_cast<uint32_t>(bytes_of_row(hidden))},
      flat(permuted));
  return permuted;
}

// Boxed, for what the kernel does not serve goes by way of the host, with the fallback's warning: elements of a byte,
// and 8 GiB and more.
void permute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  const at::Tensor hidden = arguments[0].toTensor();
  const at::Tensor grouped_tokens = arguments[1].toTensor();
  check_permute(hidden, grouped_tokens);
  const int64_t most_rows = std::max(hidden.size(0), grouped_tokens.size(0));
  if (!launch::has_permute_kernel(most_rows, hidden.size(1), hidden.element_size())) {
    backend::fallback(op, stack);
    return;
  }
  at::Tensor permuted = permute_rows(hidden, grouped_tokens);
  torch::jit::drop(*stack, op.schema().arguments().size());
  torch::jit::push(*stack, std::move(permuted));
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPermute, torch::CppFunction::makeFromBoxedFunction<&permute>());
  // By way of the host. Named here, as the composite would come before the backend's fallback.
  m.impl(kPermuteBackward, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
