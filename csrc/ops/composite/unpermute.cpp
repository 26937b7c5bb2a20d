#include "ops/unpermute.h"

#include <vector>

#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/composite/choices.h"

namespace moe::composite {
namespace {

// Rows of `source`, in the accumulation type, zeros where the index is -1.
at::Tensor rows_at(const at::Tensor& source, const at::Tensor& index) {
  if (source.size(0) == 0) {
    return at::zeros({index.size(0), source.size(1)}, source.options().dtype(accumulator_of(source)));
  }
  return source.index_select(0, index.clamp_min(0)).to(accumulator_of(source));
}

}  // namespace

at::Tensor unpermute_composite(
    const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions) {
  check_unpermute(expert_outputs, routing_weights, positions);
  assert_indices(kUnpermute, "positions", positions, expert_outputs.size(0));
  const auto dtype = accumulator_of(expert_outputs);
  at::Tensor sums = at::zeros({positions.size(0), expert_outputs.size(1)}, expert_outputs.options().dtype(dtype));
  for (int64_t k = 0; k < positions.size(1); ++k) {  // (T, H) at a time, and in order of k
    const at::Tensor rows = positions.select(1, k);
    const at::Tensor products = rows_at(expert_outputs, rows).mul_(routing_weights.select(1, k).to(dtype).unsqueeze(1));
    sums.add_(products.masked_fill((rows < 0).unsqueeze(1), 0));
  }
  return sums.to(expert_outputs.scalar_type());
}

at::Tensor unpermute_backward_expert_outputs(
    const at::Tensor& grad, const at::Tensor& routing_weights, const at::Tensor& positions, int64_t num_rows) {
  check_unpermute_backward_expert_outputs(grad, routing_weights, positions, num_rows);
  assert_indices(kUnpermuteBackwardExpertOutputs, "positions", positions, num_rows);
  const auto dtype = accumulator_of(grad);
  // The last row is for choices without one.
  at::Tensor sums = at::zeros({num_rows + 1, grad.size(1)}, grad.options().dtype(dtype));
  for (int64_t k = 0; k < positions.size(1); ++k) {
    const at::Tensor rows = positions.select(1, k);
    const at::Tensor products = grad.to(dtype) * routing_weights.select(1, k).to(dtype).unsqueeze(1);
    sums.index_put_({rows.to(at::kLong).masked_fill(rows < 0, num_rows)}, products, /*accumulate=*/true);
  }
  return sums.narrow(0, 0, num_rows).to(grad.options(), /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor unpermute_backward_routing_weights(
    const at::Tensor& grad,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  check_unpermute_backward_routing_weights(grad, expert_outputs, routing_weights, positions);
  assert_indices(kUnpermuteBackwardRoutingWeights, "positions", positions, expert_outputs.size(0));
  at::Tensor products = at::zeros(positions.sizes(), routing_weights.options());
  for (int64_t k = 0; k < positions.size(1); ++k) {
    const at::Tensor rows = positions.select(1, k);
    const at::Tensor product = rows_at(expert_outputs, rows).mul_(grad).sum(1).masked_fill_(rows < 0, 0);
    products.select(1, k).copy_(product);
  }
  return products;
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kUnpermute, TORCH_FN(unpermute_composite));
  m.impl(kUnpermuteBackwardExpertOutputs, TORCH_FN(unpermute_backward_expert_outputs));
  m.impl(kUnpermuteBackwardRoutingWeights, TORCH_FN(unpermute_backward_routing_weights));
}

}  // namespace moe::composite
