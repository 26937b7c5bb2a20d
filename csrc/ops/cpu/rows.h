#pragma once

// What is done with whole rows of floating-point numbers: sums and products of them, and rows that an index names.
// Products and sums are rounded to the accumulation type, each by itself.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <ATen/Dispatch.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "contract/invalid_id.h"
#include "contract/prepare_grouping.h"
#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"

namespace moe::cpu {

template <typename T>
using Accumulator = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <typename T>
inline constexpr at::ScalarType kAccumulatorType = std::is_same_v<T, double> ? at::kDouble : at::kFloat;

// A row and what it is multiplied by.
template <typename T>
struct Term {
  const T* row;
  Accumulator<T> weight;
};

// sum[i] = terms[0].weight * terms[0].row[i] + terms[1].weight * terms[1].row[i] + ..., in this order and starting
// from 0.
void sum_terms(float* sum, const Term<float>* terms, int64_t num_terms, int64_t size);
void sum_terms(c10::BFloat16* sum, const Term<c10::BFloat16>* terms, int64_t num_terms, int64_t size);
void sum_terms(c10::Half* sum, const Term<c10::Half>* terms, int64_t num_terms, int64_t size);
void sum_terms(double* sum, const Term<double>* terms, int64_t num_terms, int64_t size);

// The sum of a[i] * b[i], in an order that depends on the size alone.
float dot(const float* a, const float* b, int64_t size);
float dot(const c10::BFloat16* a, const c10::BFloat16* b, int64_t size);
float dot(const c10::Half* a, const c10::Half* b, int64_t size);
double dot(const double* a, const double* b, int64_t size);

// Calls `kernel(T())` for the dtypes that rows are summed in.
template <typename Kernel>
void dispatch_summed(at::ScalarType dtype, const Kernel& kernel) {
  switch (dtype) {
    case at::kFloat:
      return kernel(float());
    case at::kBFloat16:
      return kernel(c10::BFloat16());
    case at::kHalf:
      return kernel(c10::Half());
    case at::kDouble:
      return kernel(double());
    default:
      TORCH_INTERNAL_ASSERT(false, "the arguments were checked");
  }
}

// Rows that one thread works on at least.
inline int64_t grain_of_rows(int64_t elements_a_row) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_a_row));
}

// Row i of `out` is the sum of what `terms(i, add)` gives to `add(row, weight)`, in that order and starting from 0.
template <typename T, typename Terms>
void sum_rows(T* out, int64_t begin, int64_t end, int64_t size, const Terms& terms) {
  std::vector<Term<T>> added;
  for (int64_t row = begin; row < end; ++row) {
    added.clear();
    terms(row, [&](const T* term, Accumulator<T> weight) { added.push_back({term, weight}); });
    sum_terms(out + row * size, added.data(), added.size(), size);
  }
}

// An index of rows in [0, num_rows) or kNone; a kernel's first that is neither.
class RowIndex {
 public:
  RowIndex(const at::Tensor& index, int64_t num_rows)
      : data_(index.const_data_ptr<int32_t>()), size_(index.numel()), num_rows_(num_rows) {}

  int64_t size() const {
    return size_;
  }

  // A row, or none where there is none or where it is out of range, which raise_if_any() will say.
  std::optional<int64_t> at(int64_t position) {
    const int32_t row = data_[position];
    if (C10_LIKELY(static_cast<uint64_t>(static_cast<int64_t>(row)) < static_cast<uint64_t>(num_rows_))) {
      return row;
    }
    if (row != kNone) {
      out_of_range_.record(position);
    }
    return std::nullopt;
  }

  // `num_columns` is that of the index, or none if it has one dimension.
  void raise_if_any(const char* op, const char* name, std::optional<int64_t> num_columns) const {
    const auto position = out_of_range_.position();
    if (position.has_value()) {
      std::ostringstream place;
      if (num_columns.has_value()) {
        place << *position / *num_columns << ", " << *position % *num_columns;
      } else {
        place << *position;
      }
      TORCH_CHECK_INDEX(false, row_out_of_range_message(op, name, place.str(), data_[*position], num_rows_));
    }
  }

 private:
  const int32_t* data_;
  int64_t size_;
  int64_t num_rows_;
  FirstOutOfRange out_of_range_;
};

// The positions of an index by the row that they name, ascending: those of row r are
// positions[starts[r]] to positions[starts[r + 1]], without the latter.
struct PositionsOfRows {
  std::unique_ptr<int64_t[]> starts;
  std::unique_ptr<int64_t[]> positions;

  PositionsOfRows(RowIndex& index, int64_t num_rows) : starts(array_of_zeros<int64_t>(num_rows + 2)) {
    // Counted two places further on, so that placing moves each start to where it belongs.
    for (int64_t i = 0; i < index.size(); ++i) {
      if (const auto row = index.at(i)) {
        ++starts[*row + 2];
      }
    }
    for (int64_t row = 0; row < num_rows; ++row) {
      starts[row + 2] += starts[row + 1];
    }
    positions = array_for_overwrite<int64_t>(starts[num_rows + 1]);
    for (int64_t i = 0; i < index.size(); ++i) {
      if (const auto row = index.at(i)) {
        positions[starts[*row + 1]++] = i;
      }
    }
  }

  // Calls `visit(position)` for each of the row's.
  template <typename Visit>
  void of_row(int64_t row, const Visit& visit) const {
    for (int64_t i = starts[row]; i < starts[row + 1]; ++i) {
      visit(positions[i]);
    }
  }
};

}  // namespace moe::cpu
