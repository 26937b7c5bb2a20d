#include "ops/unpermute.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/cpu/memory.h"
#include "ops/cpu/rows.h"

namespace moe::cpu {
namespace {

// Weights as they are multiplied: no dtype of weights has a number that the accumulation type has not.
at::Tensor accumulated(const at::Tensor& routing_weights, at::ScalarType dtype) {
  return routing_weights.to(dtype).contiguous();
}

}  // namespace

at::Tensor unpermute(const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions) {
  check_unpermute(expert_outputs, routing_weights, positions);
  at::Tensor sums = empty_unpermuted(expert_outputs, positions);
  const auto outputs_tensor = expert_outputs.expect_contiguous();
  const auto index_tensor = positions.expect_contiguous();
  RowIndex rows(*index_tensor, expert_outputs.size(0));
  const int64_t top_k = positions.size(1);
  const int64_t size = expert_outputs.size(1);
  dispatch_summed(expert_outputs.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const at::Tensor weights_tensor = accumulated(routing_weights, kAccumulatorType<T>);
    const auto* const weights = weights_tensor.const_data_ptr<Accumulator<T>>();
    const T* const source = outputs_tensor->const_data_ptr<T>();
    T* const target = sums.mutable_data_ptr<T>();
    parallel_for(positions.size(0), grain_of_rows(size * top_k), [&](int64_t begin, int64_t end) {
      sum_rows(target, begin, end, size, [&](int64_t token, const auto& add) {
        for (int64_t choice = token * top_k; choice < (token + 1) * top_k; ++choice) {
          if (const auto row = rows.at(choice)) {
            add(source + *row * size, weights[choice]);
          }
        }
      });
    });
  });
  rows.raise_if_any(kUnpermute, "positions", top_k);
  return sums;
}

at::Tensor unpermute_backward_expert_outputs(
    const at::Tensor& grad, const at::Tensor& routing_weights, const at::Tensor& positions, int64_t num_rows) {
  check_unpermute_backward_expert_outputs(grad, routing_weights, positions, num_rows);
  at::Tensor products = empty_unpermute_backward_expert_outputs(grad, num_rows);
  const auto grad_tensor = grad.expect_contiguous();
  const auto index_tensor = positions.expect_contiguous();
  const int64_t top_k = positions.size(1);
  RowIndex rows(*index_tensor, num_rows);
  const PositionsOfRows choices(rows, num_rows);
  rows.raise_if_any(kUnpermuteBackwardExpertOutputs, "positions", top_k);
  const int64_t size = grad.size(1);
  dispatch_summed(grad.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const at::Tensor weights_tensor = accumulated(routing_weights, kAccumulatorType<T>);
    const auto* const weights = weights_tensor.const_data_ptr<Accumulator<T>>();
    const T* const source = grad_tensor->const_data_ptr<T>();
    T* const target = products.mutable_data_ptr<T>();
    parallel_for(num_rows, grain_of_rows(size), [&](int64_t begin, int64_t end) {
      sum_rows(target, begin, end, size, [&](int64_t row, const auto& add) {
        choices.of_row(row, [&](int64_t choice) { add(source + choice / top_k * size, weights[choice]); });
      });
    });
  });
  return products;
}

at::Tensor unpermute_backward_routing_weights(
    const at::Tensor& grad,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  check_unpermute_backward_routing_weights(grad, expert_outputs, routing_weights, positions);
  const auto grad_tensor = grad.expect_contiguous();
  const auto outputs_tensor = expert_outputs.expect_contiguous();
  const auto index_tensor = positions.expect_contiguous();
  RowIndex rows(*index_tensor, expert_outputs.size(0));
  const int64_t top_k = positions.size(1);
  const int64_t size = grad.size(1);
  at::Tensor products;
  dispatch_summed(grad.scalar_type(), [&](auto type) {
    using T = decltype(type);
    products = at::empty(positions.sizes(), routing_weights.options().dtype(kAccumulatorType<T>));
    auto* const target = products.mutable_data_ptr<Accumulator<T>>();
    const T* const grads = grad_tensor->const_data_ptr<T>();
    const T* const outputs = outputs_tensor->const_data_ptr<T>();
    parallel_for(rows.size(), grain_of_rows(size), [&](int64_t begin, int64_t end) {
      for (int64_t choice = begin; choice < end; ++choice) {
        const auto row = rows.at(choice);
        target[choice] = row ? dot(grads + choice / top_k * size, outputs + *row * size, size) : 0;
      }
    });
  });
  rows.raise_if_any(kUnpermuteBackwardRoutingWeights, "positions", top_k);
  return products.to(routing_weights.scalar_type());
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kUnpermute, TORCH_FN((saying_memory<kUnpermute, unpermute>)));
  m.impl(
      kUnpermuteBackwardExpertOutputs,
      TORCH_FN((saying_memory<kUnpermuteBackwardExpertOutputs, unpermute_backward_expert_outputs>)));
  m.impl(
      kUnpermuteBackwardRoutingWeights,
      TORCH_FN((saying_memory<kUnpermuteBackwardRoutingWeights, unpermute_backward_routing_weights>)));
}

}  // namespace moe::cpu
