#pragma once

#include <cstdint>

namespace moe {

// An expert is an id that a router chose. A row is where the expert's choices go: a row of the routing's lists, a
// column of the map, a group of a grouping. A row map leads from one to the other. A layout may add padding rows behind
// those that choices go to.

// Every expert has the row of its own number.
struct RowMap {
  // `expert` is an id in [0, num_experts).
  template <typename Int>
  constexpr Int row_of(Int expert) const {
    return expert;
  }

  // Whether the expert has a row at all.
  template <typename Int>
  static constexpr bool has_row(Int) {
    return true;
  }
};

// The experts that a device holds have rows, in the device's order. The others have none. `Table` points to numbers.
template <typename Table>
struct LocalRowMap {
  // For each id in [0, num_experts) one more than its row, or 0 where it has none.
  Table rows_plus_one;

  // Not a row where the expert has none: see has_row().
  template <typename Int>
  constexpr uint32_t row_of(Int expert) const {
    return rows_plus_one[expert] - 1;
  }

  static constexpr bool has_row(uint32_t row) {
    return row != static_cast<uint32_t>(-1);
  }
};

}  // namespace moe
