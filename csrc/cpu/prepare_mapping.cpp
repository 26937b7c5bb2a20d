#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <ATen/Parallel.h>
#include <torch/library.h>

#include "cpu/choices.h"
#include "layout/outputs.h"
#include "schema/names.h"
#include "validate/arguments.h"

namespace moe::cpu {
namespace {

// Rows are zeroed and written in blocks that stay in the first-level cache between the two.
constexpr int64_t kBlockBytes = 16 * 1024;

template <typename Id, typename Weight>
void fill_mapping(
    const Id* ids,
    const Weight* weights,
    Weight* mapping,
    int64_t num_tokens,
    int64_t num_choices,
    int64_t num_experts) {
  FirstOutOfRange out_of_range;
  const int64_t row_bytes = num_experts * static_cast<int64_t>(sizeof(Weight));
  const int64_t block_rows = std::max<int64_t>(1, kBlockBytes / row_bytes);
  const int64_t grain_rows = std::max<int64_t>(1, kGrain / num_experts);
  at::parallel_for(0, num_tokens, grain_rows, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block += block_rows) {
      const int64_t block_end = std::min(block + block_rows, end);
      std::fill(mapping + block * num_experts, mapping + block_end * num_experts, Weight{0});
      for (int64_t token = block; token < block_end; ++token) {
        for (int64_t i = token * num_choices; i < (token + 1) * num_choices; ++i) {
          if (is_expert(ids[i], num_experts)) {
            mapping[token * num_experts + static_cast<int64_t>(ids[i])] = weights[i];
          } else if (ids[i] != kNoExpert<Id>) {
            return out_of_range.record(i);
          }
        }
      }
    }
  });
  out_of_range.raise_if_any(kPrepareMapping, ids, num_choices, num_experts);
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
