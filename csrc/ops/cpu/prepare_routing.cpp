#include <algorithm>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <torch/library.h>

#include "contract/row_map.h"
#include "ops/cpu/choices.h"
#include "ops/prepare_routing.h"

namespace moe::cpu {
namespace {

// The choices that have a row, sorted by row; within a row in the order of the input. Those of row r are
// [starts[r], starts[r + 1]). Padding rows have none.
template <typename Weight>
struct SortedChoices {
  std::unique_ptr<uint32_t[]> starts;
  std::unique_ptr<uint32_t[]> tokens;
  std::unique_ptr<Weight[]> weights;
};

// Writes the choices of the tokens [begin, end) to their sorted places. `next[row]` is the place of the row's next
// choice. Not inlined, so that its loops have the registers to themselves.
template <typename Id, typename Weight>
C10_NOINLINE void place_tokens(
    const Id* ids,
    const Weight* weights,
    int64_t begin,
    int64_t end,
    int64_t top_k,
    int64_t num_experts,
    uint32_t total,
    uint32_t* next,
    uint32_t* sorted_tokens,
    Weight* sorted_weights) {
  constexpr RowMap row_map;
  const Id* id = ids + begin * top_k;
  const Weight* weight = weights + begin * top_k;
  for (int64_t token = begin; token < end; ++token) {
    for (const Id* const ids_end = id + top_k; id != ids_end; ++id, ++weight) {
      const Id expert = *id;
      if (is_expert(expert, num_experts)) {
        const uint32_t to = next[row_map.row_of(expert)]++;
        // False only if another thread writes the ids meanwhile.
        if (to < total) {
          sorted_tokens[to] = static_cast<uint32_t>(token);
          sorted_weights[to] = *weight;
        }
      }
    }
  }
}

// Choices below which a second thread does not pay.
constexpr int64_t kMinSlice = 16 * 1024;

// A stable counting sort. The tokens are cut into slices, and each slice is counted and placed on its own, so that both
// passes run in parallel. The counts alone say where a slice's choices go, so any number of slices gives the same
// order.
template <typename Id, typename Weight>
SortedChoices<Weight> sort_choices(
    const Id* ids, const Weight* weights, int64_t num_tokens, int64_t top_k, int64_t num_experts, int64_t num_rows) {
  const int64_t num_slices = std::clamp<int64_t>(num_tokens * top_k / kMinSlice, 1, std::max(at::get_num_threads(), 1));
  const auto slice_begin = [&](int64_t slice) { return num_tokens * slice / num_slices; };
  constexpr RowMap row_map;
  const int64_t num_expert_rows = row_map.num_rows(num_experts);
  const auto next = std::make_unique<uint32_t[]>(num_slices * num_expert_rows);

  FirstOutOfRange out_of_range;
  parallel_for(num_slices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; ++slice) {
      uint32_t* const counts = next.get() + slice * num_expert_rows;
      const Id* const ids_end = ids + slice_begin(slice + 1) * top_k;
      for (const Id* id = ids + slice_begin(slice) * top_k; id != ids_end; ++id) {
        const Id expert = *id;
        if (is_expert(expert, num_experts)) {
          ++counts[row_map.row_of(expert)];
        } else if (expert != kNoExpert<Id>) {
          return out_of_range.record(id - ids);
        }
      }
    }
  });
  out_of_range.raise_if_any(kPrepareRouting, ids, top_k, num_experts);

  SortedChoices<Weight> sorted;
  sorted.starts = std::make_unique_for_overwrite<uint32_t[]>(num_rows + 1);
  uint32_t total = 0;
  for (int64_t row = 0; row < num_expert_rows; ++row) {
    sorted.starts[row] = total;
    for (int64_t slice = 0; slice < num_slices; ++slice) {
      total += std::exchange(next[slice * num_expert_rows + row], total);
    }
  }
  std::fill(&sorted.starts[num_expert_rows], &sorted.starts[num_rows] + 1, total);
  if (total == 0) {
    return sorted;
  }

  sorted.tokens = std::make_unique_for_overwrite<uint32_t[]>(total);
  sorted.weights = std::make_unique_for_overwrite<Weight[]>(total);
  parallel_for(num_slices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; ++slice) {
      place_tokens(
          ids,
          weights,
          slice_begin(slice),
          slice_begin(slice + 1),
          top_k,
          num_experts,
          total,
          next.get() + slice * num_expert_rows,
          sorted.tokens.get(),
          sorted.weights.get());
    }
  });
  return sorted;
}

// Elements of both lists that are first padded and then written.
constexpr int64_t kBlock = kBlockBytes / sizeof(uint32_t);

template <typename Weight>
void fill_rows(
    const SortedChoices<Weight>& sorted, uint32_t* tokens, Weight* weights, int64_t num_rows, int64_t width) {
  // Rows have equal length, padding included, so equal ranges of elements are equal work.
  parallel_for(num_rows * width, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t block_end = std::min(block + kBlock, end);
      std::fill(tokens + block, tokens + block_end, kPaddingToken);
      std::fill(weights + block, weights + block_end, Weight{0});
      for (int64_t row = block / width; row * width < block_end; ++row) {
        const int64_t row_begin = row * width;
        const int64_t row_end = row_begin + (sorted.starts[row + 1] - sorted.starts[row]);
        const int64_t from = std::max(block, row_begin);
        const int64_t count = std::min(block_end, row_end) - from;
        if (count > 0) {
          const int64_t source = sorted.starts[row] + (from - row_begin);
          std::copy_n(&sorted.tokens[source], count, tokens + from);
          std::copy_n(&sorted.weights[source], count, weights + from);
        }
      }
    }
  });
}

}  // namespace

RoutingOutputs prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts);
  auto outputs = empty_routing(routing_weights, num_experts);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto weights_tensor = routing_weights.expect_contiguous();
  auto& [num_routed_tokens, routed_tokens, routed_token_weights] = outputs;
  const int64_t num_rows = routed_tokens.size(0);
  uint32_t* counts = num_routed_tokens.mutable_data_ptr<uint32_t>();
  uint32_t* tokens = routed_tokens.mutable_data_ptr<uint32_t>();
  void* token_weights = routed_token_weights.mutable_data_ptr();
  dispatch_choices(*ids_tensor, *weights_tensor, [&](const auto* ids, const auto* weights) {
    using Weight = std::remove_cvref_t<decltype(*weights)>;
    const auto sorted =
        sort_choices(ids, weights, selected_experts.size(0), selected_experts.size(1), num_experts, num_rows);
    for (int64_t row = 0; row < num_rows; ++row) {
      counts[row] = sorted.starts[row + 1] - sorted.starts[row];
    }
    fill_rows(sorted, tokens, static_cast<Weight*>(token_weights), num_rows, routed_tokens.size(1));
  });
  return outputs;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
}

}  // namespace moe::cpu
