#pragma once

namespace moe {

// An expert is an id that a router chose. A row is where the expert's choices go: a row of the routing's lists, a
// column of the map. RowMap leads from one to the other. Every expert has a row today, the one of its own number; a
// device that holds some of the experts will have rows for those alone.
struct RowMap {
  // Rows that choices may go to. A layout may add padding rows behind them.
  template <typename Int>
  constexpr Int num_rows(Int num_experts) const {
    return num_experts;
  }

  // `expert` is an id in [0, num_experts).
  template <typename Int>
  constexpr Int row_of(Int expert) const {
    return expert;
  }
};

}  // namespace moe
