#pragma once

#include <cstdint>

namespace moe {

// The operator's qualified name and its derivative's, for their registrations and their errors.
inline constexpr const char* kPrepareRouting = "moe::prepare_routing";
inline constexpr const char* kPrepareRoutingBackward = "moe::prepare_routing_backward";

// The routing's lists have a row for every expert and then padding rows, up to a multiple of a tile's height.
inline constexpr uint32_t kExpertAlignment = 32;

// Stands in routed_tokens after a row's last token; no token has this number.
inline constexpr uint32_t kPaddingToken = 0xFFFFFFFF;

// The shape of the routing's outputs: counts (1, num_rows), tokens and weights (num_rows, row_width). `Int` may be
// symbolic.
template <typename Int>
struct RoutingLayout {
  Int num_rows;   // those of the experts, then padding rows
  Int row_width;  // room for choices

  // A row has room for every choice of the input.
  static constexpr RoutingLayout of(const Int& num_tokens, const Int& top_k, const Int& num_experts) {
    return of_width(num_experts, num_tokens * top_k);
  }

  // A row takes no more than `row_width` choices.
  static constexpr RoutingLayout of_width(const Int& num_experts, const Int& row_width) {
    return {(num_experts + (kExpertAlignment - 1)) / kExpertAlignment * kExpertAlignment, row_width};
  }
};

}  // namespace moe
