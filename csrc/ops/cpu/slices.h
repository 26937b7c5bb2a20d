#pragma once

// How the choices of every row are counted, in parallel and with one result at any number of threads.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"

namespace moe::cpu {

// Choices below which a second thread does not pay.
inline constexpr int64_t kMinSlice = 16 * 1024;

// The tokens are cut into slices, which threads work on. Counts of a slice's choices in each row alone say where a
// slice's choices go, so any number of slices gives the same order.
struct Slices {
  int64_t num_tokens;
  int64_t num_slices;
  int64_t num_rows;
  std::unique_ptr<uint32_t[]> counts;  // (num_slices, num_rows)

  int64_t begin(int64_t slice) const {
    return num_tokens * slice / num_slices;
  }

  uint32_t* counts_of(int64_t slice) const {
    return counts.get() + slice * num_rows;
  }

  // Turns a row's counts into the place of each slice's next choice in it, the first of them at `place`. Returns the
  // place after the last.
  uint32_t place_choices(int64_t row, uint32_t place) const {
    for (int64_t slice = 0; slice < num_slices; ++slice) {
      place += std::exchange(counts_of(slice)[row], place);
    }
    return place;
  }

  // Calls `work(slice)` for each.
  template <typename Work>
  void for_each(const Work& work) const {
    parallel_for(num_slices, 1, [&](int64_t first, int64_t last) {
      for (int64_t slice = first; slice < last; ++slice) {
        work(slice);
      }
    });
  }
};

// Counts the choices in [id, ids_end). Returns the first id that is out of range, else null. Not inlined, so that its
// loop has the registers to itself.
template <typename Id, typename Rows>
C10_NOINLINE const Id* count(const Id* id, const Id* ids_end, int64_t num_experts, Rows row_map, uint32_t* counts) {
  for (; id != ids_end; ++id) {
    const Id expert = *id;
    if (is_expert(expert, num_experts)) {
      const auto row = row_map.row_of(expert);
      if (row_map.has_row(row)) {
        ++counts[row];
      }
    } else if (expert != kNoExpert<Id>) {
      return id;
    }
  }
  return nullptr;
}

// Raises an IndexError for the first id that is out of range.
template <typename Id, typename Rows>
Slices count_choices(
    const char* op,
    const Id* ids,
    int64_t num_tokens,
    int64_t top_k,
    int64_t num_experts,
    int64_t num_rows,
    Rows row_map) {
  const int64_t num_slices = std::clamp<int64_t>(num_tokens * top_k / kMinSlice, 1, std::max(at::get_num_threads(), 1));
  Slices slices{num_tokens, num_slices, num_rows, array_of_zeros<uint32_t>(num_slices * num_rows)};
  FirstOutOfRange out_of_range;
  slices.for_each([&](int64_t slice) {
    const Id* const bad = count(
        ids + slices.begin(slice) * top_k,
        ids + slices.begin(slice + 1) * top_k,
        num_experts,
        row_map,
        slices.counts_of(slice));
    if (bad != nullptr) {
      out_of_range.record(bad - ids);
    }
  });
  out_of_range.raise_if_any(op, ids, top_k, num_experts);
  return slices;
}

}  // namespace moe::cpu
