#pragma once

// The numbers that every operator shares: what an expert's id may be, and how many ids there may be.
// No torch here, and C++17: the device kernels take their constants from this room too.

#include <cstdint>

namespace moe {

// A choice with this id routes nowhere. All bits are set, whatever the width of the id.
template <typename Id>
inline constexpr Id kNoExpert = static_cast<Id>(-1);

// Ids, counts and token numbers have 32 bits, and the largest of those numbers has a meaning of its own.
inline constexpr uint32_t kMaxExperts = 0xFFFFFFFF;
inline constexpr uint32_t kMaxChoices = 0xFFFFFFFF;

}  // namespace moe
