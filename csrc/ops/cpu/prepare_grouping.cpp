#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include <torch/library.h>

#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"
#include "ops/cpu/row_map.h"
#include "ops/cpu/slices.h"
#include "ops/prepare_grouping.h"

namespace moe::cpu {
namespace {

template <typename Weight>
struct Grouping {
  int32_t* sizes;
  int32_t* offsets;
  int32_t* tokens;
  Weight* weights;
  int32_t* positions;
  int64_t num_groups;
  int64_t num_rows;

  // Rows without a choice.
  void fill_padding(int64_t begin, int64_t end) const {
    std::fill(tokens + begin, tokens + end, kNone);
    std::fill(weights + begin, weights + end, Weight{0});
  }
};

// Sizes and offsets of the groups from what was counted, and the padding within them. The counts become the row of each
// slice's next choice in each group.
template <typename Weight>
void lay_out_groups(const Slices& slices, const Grouping<Weight>& grouping, uint32_t alignment, uint32_t max_tokens) {
  uint32_t row = 0;
  for (int64_t group = 0; group < grouping.num_groups; ++group) {
    const uint32_t size = std::min(slices.place_choices(group, row) - row, max_tokens);
    grouping.sizes[group] = static_cast<int32_t>(size);
    grouping.offsets[group] = static_cast<int32_t>(row);
    row += size;
    if (alignment != 1 && size != 0) {
      const uint32_t begin = row;
      row += (alignment - size % alignment) % alignment;
      grouping.fill_padding(begin, row);
    }
  }
  grouping.offsets[grouping.num_groups] = static_cast<int32_t>(row);
  parallel_for(grouping.num_rows - row, kGrain, [&](int64_t begin, int64_t end) {
    grouping.fill_padding(row + begin, row + end);
  });
}

// Writes the choices of the tokens [begin, end) to their rows. `next[group]` is the row of the group's next choice.
// Not inlined, so that its loops have the registers to themselves.
template <bool kLimited, typename Id, typename Weight, typename TopK, typename Rows>
C10_NOINLINE void place_tokens(
    const Id* ids,
    const Weight* weights,
    int64_t begin,
    int64_t end,
    TopK top_k,
    int64_t num_experts,
    Rows row_map,
    uint32_t* next,
    const Grouping<Weight>& grouping) {
  const Id* id = ids + begin * top_k;
  const Weight* weight = weights + begin * top_k;
  int32_t* position = grouping.positions + begin * top_k;
  int32_t* const tokens = grouping.tokens;
  Weight* const grouped_weights = grouping.weights;
  const int32_t* const offsets = grouping.offsets;
  const int32_t* const sizes = grouping.sizes;
  // Rows are below it unless another thread writes the ids meanwhile.
  const auto num_rows = static_cast<uint32_t>(grouping.num_rows);
  for (int64_t token = begin; token < end; ++token, id += top_k, weight += top_k, position += top_k) {
    for (int64_t k = 0; k < top_k; ++k) {
      const Id expert = id[k];
      int32_t placed = kNone;
      if (is_expert(expert, num_experts)) {
        const auto group = row_map.row_of(expert);
        if (row_map.has_row(group)) {
          const uint32_t row = next[group]++;
          const uint32_t limit = kLimited ? static_cast<uint32_t>(offsets[group] + sizes[group]) : num_rows;
          if (row < limit) {
            tokens[row] = static_cast<int32_t>(token);
            grouped_weights[row] = weight[k];
            placed = static_cast<int32_t>(row);
          }
        }
      }
      position[k] = placed;
    }
  }
}

template <typename Id, typename Weight, typename Rows>
void group_choices(
    const Id* ids,
    const Weight* weights,
    int64_t num_tokens,
    int64_t top_k,
    int64_t num_experts,
    Rows row_map,
    int64_t alignment,
    std::optional<int64_t> max_tokens,
    const Grouping<Weight>& grouping) {
  const Slices slices =
      count_choices(kPrepareGrouping, ids, num_tokens, top_k, num_experts, grouping.num_groups, row_map);
  lay_out_groups(
      slices, grouping, static_cast<uint32_t>(alignment), static_cast<uint32_t>(max_tokens.value_or(kMaxGroupedSize)));
  if (top_k == 0) {
    return;  // there may be more tokens than could be looked at
  }
  dispatch_top_k(top_k, [&](auto constant_top_k) {
    slices.for_each([&](int64_t slice) {
      const auto place = [&](auto limited) {
        place_tokens<limited.value>(
            ids,
            weights,
            slices.begin(slice),
            slices.begin(slice + 1),
            constant_top_k,
            num_experts,
            row_map,
            slices.counts_of(slice),
            grouping);
      };
      if (max_tokens.has_value()) {
        place(std::true_type());
      } else {
        place(std::false_type());
      }
    });
  });
}

}  // namespace

GroupingOutputs prepare_grouping(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts,
    int64_t alignment,
    std::optional<int64_t> max_tokens) {
  check_prepare_grouping(selected_experts, routing_weights, num_experts, local_experts, alignment, max_tokens);
  auto outputs = empty_grouping(routing_weights, num_experts, local_experts, alignment, max_tokens);
  auto& [group_sizes, group_offsets, grouped_tokens, grouped_weights, positions] = outputs;
  const auto ids_tensor = selected_experts.expect_contiguous();
  const auto weights_tensor = routing_weights.expect_contiguous();
  with_row_map(kPrepareGrouping, local_experts, num_experts, [&](auto row_map) {
    dispatch_choices(*ids_tensor, *weights_tensor, [&](const auto* ids, const auto* weights) {
      using Weight = std::remove_cvref_t<decltype(*weights)>;
      const Grouping<Weight> grouping{
          group_sizes.mutable_data_ptr<int32_t>(),
          group_offsets.mutable_data_ptr<int32_t>(),
          grouped_tokens.mutable_data_ptr<int32_t>(),
          static_cast<Weight*>(grouped_weights.mutable_data_ptr()),
          positions.mutable_data_ptr<int32_t>(),
          group_sizes.size(0),
          grouped_tokens.size(0)};
      group_choices(
          ids,
          weights,
          selected_experts.size(0),
          selected_experts.size(1),
          num_experts,
          row_map,
          alignment,
          max_tokens,
          grouping);
    });
  });
  return outputs;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kPrepareGrouping, TORCH_FN((saying_memory<kPrepareGrouping, prepare_grouping>)));
}

}  // namespace moe::cpu
