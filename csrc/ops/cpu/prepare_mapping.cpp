#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <torch/library.h>

#include "contract/row_map.h"
#include "ops/cpu/choices.h"
#include "ops/prepare_mapping.h"

namespace moe::cpu {
namespace {

// Writes the map's rows of the tokens [begin, end). Not inlined, so that its loops have the registers to themselves.
template <typename Id, typename Weight>
C10_NOINLINE void fill_rows(
    const Id* ids,
    const Weight* weights,
    Weight* mapping,
    int64_t begin,
    int64_t end,
    int64_t top_k,
    int64_t num_experts,
    FirstOutOfRange& out_of_range) {
  constexpr RowMap row_map;
  const int64_t row_bytes = num_experts * static_cast<int64_t>(sizeof(Weight));
  const int64_t block_rows = std::max<int64_t>(1, kBlockBytes / row_bytes);
  const Id* id = ids + begin * top_k;
  const Weight* weight = weights + begin * top_k;
  Weight* row = mapping + begin * num_experts;
  for (int64_t token = begin; token < end; token += block_rows) {
    Weight* const block_end = row + std::min(block_rows, end - token) * num_experts;
    std::fill(row, block_end, Weight{0});
    for (; row != block_end; row += num_experts) {
      for (const Id* const ids_end = id + top_k; id != ids_end; ++id, ++weight) {
        const Id expert = *id;
        if (is_expert(expert, num_experts)) {
          row[row_map.row_of(static_cast<int64_t>(expert))] = *weight;
        } else if (expert != kNoExpert<Id>) {
          return out_of_range.record(id - ids);
        }
      }
    }
  }
}

template <typename Id, typename Weight>
void fill_mapping(
    const Id* ids, const Weight* weights, Weight* mapping, int64_t num_tokens, int64_t top_k, int64_t num_experts) {
  FirstOutOfRange out_of_range;
  const int64_t grain_rows = std::max<int64_t>(1, kGrain / num_experts);
  parallel_for(num_tokens, grain_rows, [&](int64_t begin, int64_t end) {
    fill_rows(ids, weights, mapping, begin, end, top_k, num_experts, out_of_range);
  });
  out_of_range.raise_if_any(kPrepareMapping, ids, top_k, num_experts);
}

}  // namespace

at::Tensor prepare_mapping(const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_mapping(selected_experts, routing_weights, num_experts);
  at::Tensor mapping = empty_mapping(routing_weights, num_experts);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto weights_tensor = routing_weights.expect_contiguous();
  dispatch_choices(*ids_tensor, *weights_tensor, [&](const auto* ids, const auto* weights) {
    using Weight = std::remove_cvref_t<decltype(*weights)>;
    fill_mapping(
        ids,
        weights,
        static_cast<Weight*>(mapping.mutable_data_ptr()),
        mapping.size(0),
        selected_experts.size(1),
        mapping.size(1));
  });
  return mapping;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPrepareMapping, TORCH_FN(prepare_mapping));
}

}  // namespace moe::cpu
