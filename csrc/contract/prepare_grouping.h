#pragma once

#include <cstdint>

namespace moe {

// The operator's qualified name, for its registrations and its errors.
inline constexpr const char* kPrepareGrouping = "moe::prepare_grouping";

// Sizes, rows and token numbers are int32, with which PyTorch can index and compute.
inline constexpr int32_t kMaxGroupedSize = 0x7FFFFFFF;

// Stands in grouped_tokens for the token of a row without a choice, and in positions for the row of a choice without
// one.
inline constexpr int32_t kNone = -1;

// The shape of a grouping's outputs: sizes (num_groups), offsets (num_groups + 1), tokens and weights (num_rows). `Int`
// may be symbolic. Arguments are at most kMaxGroupedSize, so that no product overflows 64 bits.
template <typename Int>
struct GroupingLayout {
  Int num_groups;
  Int num_rows;  // enough for any ids: it depends on shapes alone

  // A group takes every choice.
  static constexpr GroupingLayout of(const Int& num_choices, const Int& num_groups, const Int& alignment) {
    // Each group that is not empty may need alignment - 1 rows of padding.
    const Int padding = smaller(num_choices, num_groups, 0) * (alignment - 1);
    return {num_groups, (num_choices + padding + (alignment - 1)) / alignment * alignment};
  }

  // No group takes more than `max_tokens` choices.
  static constexpr GroupingLayout of(
      const Int& num_choices, const Int& num_groups, const Int& alignment, const Int& max_tokens) {
    return of(smaller(num_choices, num_groups * max_tokens, 0), num_groups, alignment);
  }

 private:
  // A symbol has a minimum of its own, which is a symbol again. A comparison would be a guard.
  template <typename Symbol>
  static constexpr auto smaller(const Symbol& a, const Symbol& b, int) -> decltype(a.min(b)) {
    return a.min(b);
  }

  template <typename Number>
  static constexpr Number smaller(const Number& a, const Number& b, long) {
    return b < a ? b : a;
  }
};

}  // namespace moe
