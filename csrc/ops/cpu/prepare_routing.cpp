#include <algorithm>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"
#include "ops/cpu/row_map.h"
#include "ops/cpu/slices.h"
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
template <typename Id, typename Weight, typename TopK, typename Rows>
C10_NOINLINE void place_tokens(
    const Id* ids,
    const Weight* weights,
    int64_t begin,
    int64_t end,
    TopK top_k,
    int64_t num_experts,
    uint32_t total,
    Rows row_map,
    uint32_t* next,
    uint32_t* sorted_tokens,
    Weight* sorted_weights) {
  const Id* id = ids + begin * top_k;
  const Weight* weight = weights + begin * top_k;
  for (int64_t token = begin; token < end; ++token, id += top_k, weight += top_k) {
    for (int64_t k = 0; k < top_k; ++k) {
      const Id expert = id[k];
      if (is_expert(expert, num_experts)) {
        const auto row = row_map.row_of(expert);
        if (row_map.has_row(row)) {
          const uint32_t to = next[row]++;
          // False only if another thread writes the ids meanwhile.
          if (to < total) {
            sorted_tokens[to] = static_cast<uint32_t>(token);
            sorted_weights[to] = weight[k];
          }
        }
      }
    }
  }
}

// A stable counting sort.
template <typename Id, typename Weight, typename Rows>
SortedChoices<Weight> sort_choices(
    const Id* ids,
    const Weight* weights,
    int64_t num_tokens,
    int64_t top_k,
    int64_t num_experts,
    int64_t num_choice_rows,
    int64_t num_rows,
    Rows row_map) {
  const Slices slices = count_choices(kPrepareRouting, ids, num_tokens, top_k, num_experts, num_choice_rows, row_map);
  SortedChoices<Weight> sorted;
  sorted.starts = array_for_overwrite<uint32_t>(num_rows + 1);
  uint32_t total = 0;
  for (int64_t row = 0; row < num_choice_rows; ++row) {
    sorted.starts[row] = total;
    total = slices.place_choices(row, total);
  }
  std::fill(&sorted.starts[num_choice_rows], &sorted.starts[num_rows] + 1, total);
  if (total == 0) {
    return sorted;
  }

  sorted.tokens = array_for_overwrite<uint32_t>(total);
  sorted.weights = array_for_overwrite<Weight>(total);
  dispatch_top_k(top_k, [&](auto constant_top_k) {
    slices.for_each([&](int64_t slice) {
      place_tokens(
          ids,
          weights,
          slices.begin(slice),
          slices.begin(slice + 1),
          constant_top_k,
          num_experts,
          total,
          row_map,
          slices.counts_of(slice),
          sorted.tokens.get(),
          sorted.weights.get());
    });
  });
  return sorted;
}

// Writes the elements [begin, end) of one of the lists: a row's sorted values, then padding.
template <auto kPadding, typename Value = decltype(kPadding)>
void fill_list(const uint32_t* starts, const Value* sorted, Value* list, int64_t begin, int64_t end, int64_t width) {
  constexpr int64_t kBlock = kBlockBytes / sizeof(Value);
  int64_t row_begin = begin - begin % width;
  const uint32_t* start = starts + begin / width;
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t block_end = std::min(block + kBlock, end);
    fill_block<kPadding>(list + block, block_end - block);
    while (row_begin < block_end) {
      const int64_t row_end = row_begin + std::min<int64_t>(start[1] - start[0], width);
      const int64_t from = std::max(block, row_begin);
      const int64_t count = std::min(block_end, row_end) - from;
      if (count > 0) {
        std::copy_n(sorted + start[0] + (from - row_begin), count, list + from);
      }
      if (row_begin + width > block_end) {
        break;  // the next block has the rest of this row
      }
      row_begin += width;
      ++start;
    }
  }
}

template <typename Weight>
void fill_rows(
    const SortedChoices<Weight>& sorted, uint32_t* tokens, Weight* weights, int64_t num_rows, int64_t width) {
  if (width == 0) {
    return;
  }
  // Rows have equal length, padding included, so equal ranges of elements are equal work. One list after the other:
  // memory that is touched for the first time comes faster in one stream than in two.
  parallel_for(num_rows * width, kGrain, [&](int64_t begin, int64_t end) {
    const uint32_t* const starts = sorted.starts.get();
    fill_list<kPaddingToken>(starts, sorted.tokens.get(), tokens, begin, end, width);
    fill_list<Weight{0}>(starts, sorted.weights.get(), weights, begin, end, width);
  });
}

}  // namespace

RoutingOutputs prepare_routing(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<int64_t> max_tokens) {
  check_prepare_routing(selected_experts, routing_weights, num_experts, local_experts, max_tokens);
  auto outputs = empty_routing(routing_weights, num_experts, local_experts, max_tokens);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto weights_tensor = routing_weights.expect_contiguous();
  auto& [num_routed_tokens, routed_tokens, routed_token_weights] = outputs;
  const int64_t num_rows = routed_tokens.size(0);
  uint32_t* counts = num_routed_tokens.mutable_data_ptr<uint32_t>();
  uint32_t* tokens = routed_tokens.mutable_data_ptr<uint32_t>();
  void* token_weights = routed_token_weights.mutable_data_ptr();
  const int64_t width = routed_tokens.size(1);
  with_row_map(kPrepareRouting, local_experts, num_experts, [&](auto row_map) {
    dispatch_choices(*ids_tensor, *weights_tensor, [&](const auto* ids, const auto* weights) {
      using Weight = std::remove_cvref_t<decltype(*weights)>;
      const auto sorted = sort_choices(
          ids,
          weights,
          selected_experts.size(0),
          selected_experts.size(1),
          num_experts,
          num_rows_of(local_experts, num_experts).expect_int(),
          num_rows,
          row_map);
      for (int64_t row = 0; row < num_rows; ++row) {
        counts[row] = static_cast<uint32_t>(std::min<int64_t>(sorted.starts[row + 1] - sorted.starts[row], width));
      }
      fill_rows(sorted, tokens, static_cast<Weight*>(token_weights), num_rows, width);
    });
  });
  return outputs;
}

at::Tensor prepare_routing_backward(
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_prepare_routing_backward(grad, selected_experts, num_experts, local_experts);
  at::Tensor weights_grad = empty_prepare_routing_backward(grad, selected_experts);
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto grad_tensor = grad.expect_contiguous();
  const int64_t top_k = selected_experts.size(1);
  const int64_t width = grad.size(1);
  with_row_map(kPrepareRoutingBackward, local_experts, num_experts, [&](auto row_map) {
    dispatch_choices(*ids_tensor, *grad_tensor, [&](const auto* ids, const auto* lists) {
      using Weight = std::remove_cvref_t<decltype(*lists)>;
      auto* const target = static_cast<Weight*>(weights_grad.mutable_data_ptr());
      const Slices slices = count_choices(
          kPrepareRoutingBackward, ids, selected_experts.size(0), top_k, num_experts, grad.size(0), row_map);
      // The place in its row of each slice's next choice.
      for (int64_t row = 0; row < slices.num_rows; ++row) {
        slices.place_choices(row, 0);
      }
      slices.for_each([&](int64_t slice) {
        uint32_t* const next = slices.counts_of(slice);
        for (int64_t i = slices.begin(slice) * top_k; i < slices.begin(slice + 1) * top_k; ++i) {
          target[i] = 0;
          if (is_expert(ids[i], num_experts)) {
            const auto row = row_map.row_of(ids[i]);
            if (row_map.has_row(row)) {
              const int64_t place = next[row]++;
              if (place < width) {
                target[i] = lists[static_cast<int64_t>(row) * width + place];
              }
            }
          }
        }
      });
    });
  });
  return weights_grad;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPrepareRouting, TORCH_FN((saying_memory<kPrepareRouting, prepare_routing>)));
  m.impl(kPrepareRoutingBackward, TORCH_FN((saying_memory<kPrepareRoutingBackward, prepare_routing_backward>)));
}

}  // namespace moe::cpu
