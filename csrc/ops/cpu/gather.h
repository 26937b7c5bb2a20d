#pragma once

// Copies of rows that an index names, of any dtype.

#include <cstdint>
#include <cstring>

#include <ATen/core/Tensor.h>

#include "ops/cpu/rows.h"

namespace moe::cpu {

// Rows [begin, begin + target.size(0)) of what the index names, into a contiguous `target`; zeros where it names none.
// `source` is contiguous.
inline void gather_rows(const at::Tensor& target, const at::Tensor& source, RowIndex& index, int64_t begin) {
  const int64_t row_bytes = source.size(1) * static_cast<int64_t>(source.element_size());
  const auto* const from = static_cast<const char*>(source.const_data_ptr());
  auto* const to = static_cast<char*>(target.mutable_data_ptr());
  parallel_for(target.size(0), grain_of_rows(source.size(1)), [&](int64_t first, int64_t end) {
    for (int64_t row = first; row < end; ++row) {
      const auto named = index.at(begin + row);
      if (row_bytes == 0) {
        continue;
      }
      if (named) {
        std::memcpy(to + row * row_bytes, from + *named * row_bytes, row_bytes);
      } else {
        std::memset(to + row * row_bytes, 0, row_bytes);
      }
    }
  });
}

}  // namespace moe::cpu
