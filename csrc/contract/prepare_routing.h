#pragma once

#include <cstdint>

namespace moe {

// The operator's qualified name, for its registrations and its errors.
inline constexpr const char* kPrepareRouting = "moe::prepare_routing";

// The routing's lists have a row for every expert and then padding rows, up to a multiple of a tile's height.
inline constexpr uint32_t kExpertAlignment = 32;

// Stands in routed_tokens after a row's last token; no token has this number.
inline constexpr uint32_t kPaddingToken = 0xFFFFFFFF;

// The shape of the routing's outputs: counts (1, num_rows), tokens and weights (num_rows, row_width). `Int` may be
// symbolic.
template <typename Int>
struct RoutingLayout {
  Int num_rows;   // those of the experts, then padding rows
  Int row_width;  // a row has room for every choice of the input

  static constexpr RoutingLayout of(const Int& num_tokens, const Int& top_k, const Int& num_experts) {
    return {(num_experts + (kExpertAlignment - 1)) / kExpertAlignment * kExpertAlignment, num_tokens * top_k};
  }
};

}  // namespace moe
