#pragma once

// Groups of consecutive rows, as a grouping's offsets say.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "ops/cpu/choices.h"

namespace moe::cpu {

class Groups {
 public:
  // Raises an IndexError unless the offsets ascend from 0 to at most `num_rows`. They are contiguous and outlive it.
  Groups(const char* op, const at::Tensor& group_offsets, int64_t num_rows)
      : offsets_(group_offsets.const_data_ptr<int32_t>()), size_(group_offsets.numel() - 1) {
    TORCH_CHECK_INDEX(offsets_[0] == 0, op, ": expected group_offsets that begin with 0, got ", offsets_[0]);
    for (int64_t group = 0; group < size_; ++group) {
      TORCH_CHECK_INDEX(
          offsets_[group] <= offsets_[group + 1] && offsets_[group + 1] <= num_rows,
          op,
          ": expected group_offsets that ascend to at most ",
          num_rows,
          ", the number of rows, got ",
          offsets_[group],
          " and then ",
          offsets_[group + 1],
          " at [",
          group + 1,
          "]");
      most_rows_ = std::max<int64_t>(most_rows_, offsets_[group + 1] - offsets_[group]);
    }
  }

  // Rows in groups; those after them belong to none.
  int64_t rows_in_use() const {
    return offsets_[size_];
  }

  // Calls `visit(group, begin, num_rows)` for each group: several at once, each by one thread, which takes the next
  // group when it is done; or, where one group has most of the rows, one after another, so that `visit` can have all
  // threads itself.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    std::atomic<int64_t> next = 0;
    const auto visit_all = [&](int64_t, int64_t) {
      for (int64_t group; (group = next++) < size_;) {
        visit(group, offsets_[group], offsets_[group + 1] - offsets_[group]);
      }
    };
    const int64_t num_threads = at::get_num_threads();
    if (most_rows_ * num_threads > rows_in_use()) {
      visit_all(0, 1);
    } else {
      parallel_for(num_threads, 1, visit_all);
    }
  }

 private:
  const int32_t* offsets_;
  int64_t size_;
  int64_t most_rows_ = 0;  // of the largest group
};

}  // namespace moe::cpu
