#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <torch/library.h>

#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"
#include "ops/cpu/row_map.h"
#include "ops/prepare_mapping.h"

namespace moe::cpu {
namespace {

// Writes the map's rows of the tokens [begin, end). Not inlined, so that its loops have the registers to themselves.
template <typename Id, typename Weight, typename TopK, typename Rows>
C10_NOINLINE void fill_rows(
    const Id* ids,
    const Weight* weights,
    Weight* mapping,
    int64_t begin,
    int64_t end,
    TopK top_k,
    int64_t num_experts,
    int64_t num_columns,
    Rows row_map,
    FirstOutOfRange& out_of_range) {
  const int64_t row_bytes = num_columns * static_cast<int64_t>(sizeof(Weight));
  const int64_t block_rows = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, row_bytes));
  const Id* id = ids + begin * top_k;
  const Weight* weight = weights + begin * top_k;
  Weight* row = mapping + begin * num_columns;
  for (int64_t token = begin; token < end; token += block_rows) {
    const int64_t rows = std::min(block_rows, end - token);
    fill_block<Weight{0}>(row, rows * num_columns);
    for (int64_t i = 0; i < rows; ++i, row += num_columns, id += top_k, weight += top_k) {
      for (int64_t k = 0; k < top_k; ++k) {
        const Id expert = id[k];
        if (is_expert(expert, num_experts)) {
          const auto column = row_map.row_of(static_cast<int64_t>(expert));
          if (row_map.has_row(column)) {
            row[column] = weight[k];
          }
        } else if (expert != kNoExpert<Id>) {
          return out_of_range.record(id + k - ids);
        }
      }
    }
  }
}

template <typename Id, typename Weight, typename Rows>
void fill_mapping(
    const Id* ids,
    const Weight* weights,
    Weight* mapping,
    int64_t num_tokens,
    int64_t top_k,
    int64_t num_experts,
    int64_t num_columns,
    Rows row_map) {
  if (top_k == 0 && num_columns == 0) {
    return;  // there may be more tokens than could be looked at
  }
  FirstOutOfRange out_of_range;
  const int64_t grain_rows = std::max<int64_t>(1, kGrain / std::max<int64_t>({1, num_columns, top_k}));
  dispatch_top_k(top_k, [&](auto constant_top_k) {
    parallel_for(num_tokens, grain_rows, [&](int64_t begin, int64_t end) {
      fill_rows(ids, weights, mapping, begin, end, constant_top_k, num_experts, num_columns, row_map, out_of_range);
    });
  });
  out_of_range.raise_if_any(kPrepareMapping, ids, top_k, num_experts);
}

}  // namespace

at::Tensor prepare_mapping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts, local_experts);
  at::Tensor mapping = empty_mapping(routing_weights, num_experts, local_experts);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto weights_tensor = routing_weights.expect_contiguous();
  with_row_map(kPrepareMapping, local_experts, num_experts, [&](auto row_map) {
    dispatch_choices(*ids_tensor, *weights_tensor, [&](const auto* ids, const auto* weights) {
      using Weight = std::remove_cvref_t<decltype(*weights)>;
      fill_mapping(
          ids,
          weights,
          static_cast<Weight*>(mapping.mutable_data_ptr()),
          mapping.size(0),
          selected_experts.size(1),
          num_experts,
          mapping.size(1),
          row_map);
    });
  });
  return mapping;
}

at::Tensor prepare_mapping_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_mapping_backward(grad, selected_experts, num_experts, local_experts);
  at::Tensor weights_grad = empty_prepare_mapping_backward(grad, selected_experts);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto grad_tensor = grad.expect_contiguous();
  const int64_t top_k = selected_experts.size(1);
  const int64_t num_columns = grad.size(1);
  with_row_map(kPrepareMappingBackward, local_experts, num_experts, [&](auto row_map) {
    dispatch_choices(*ids_tensor, *grad_tensor, [&](const auto* ids, const auto* map) {
      using Weight = std::remove_cvref_t<decltype(*map)>;
      auto* const target = static_cast<Weight*>(weights_grad.mutable_data_ptr());
      FirstOutOfRange out_of_range;
      parallel_for(ids_tensor->numel(), kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t choice = begin; choice < end; ++choice) {
          const auto expert = ids[choice];
          target[choice] = 0;
          if (is_expert(expert, num_experts)) {
            const int64_t token = choice / top_k;
            const auto* const ids_end = ids + (token + 1) * top_k;
            const auto column = row_map.row_of(static_cast<int64_t>(expert));
            if (row_map.has_row(column) && std::find(ids + choice + 1, ids_end, expert) == ids_end) {
              target[choice] = map[token * num_columns + column];
            }
          } else if (expert != kNoExpert<std::remove_const_t<decltype(expert)>>) {
            return out_of_range.record(choice);
          }
        }
      });
      out_of_range.raise_if_any(kPrepareMappingBackward, ids, top_k, num_experts);
    });
  });
  return weights_grad;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPrepareMapping, TORCH_FN((saying_memory<kPrepareMapping, prepare_mapping>)));
  m.impl(kPrepareMappingBackward, TORCH_FN((saying_memory<kPrepareMappingBackward, prepare_mapping_backward>)));
}

}  // namespace moe::cpu
