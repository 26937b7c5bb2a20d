#pragma once

// The numbers of the contract. No torch here: device kernels take their constants from this header too.

#include <cstdint>

namespace moe {

// The routing outputs have a row for every expert and then padding rows up to a multiple of a tile's height.
inline constexpr uint32_t kExpertAlignment = 32;

// Stands in routed_tokens after a row's last token; no token has this number.
inline constexpr uint32_t kPaddingToken = 0xFFFFFFFF;

// A choice with this id routes nowhere. All bits are set, whatever the width of the id.
template <typename Id>
inline constexpr Id kNoExpert = static_cast<Id>(-1);

// Ids, counts and token numbers are 32 bits wide, and the last number of those has a meaning of its own.
inline constexpr uint32_t kMaxExperts = 0xFFFFFFFF;
inline constexpr uint32_t kMaxChoices = 0xFFFFFFFF;

// Int may be symbolic.
template <typename Int>
constexpr Int pad_num_experts(const Int& num_experts) {
  return (num_experts + (kExpertAlignment - 1)) / kExpertAlignment * kExpertAlignment;
}

}  // namespace moe
