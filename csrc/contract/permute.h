#pragma once

namespace moe {

// The operator's qualified name and its derivative's, for their registrations and their errors.
inline constexpr const char* kPermute = "moe::permute";
inline constexpr const char* kPermuteBackward = "moe::permute_backward";

}  // namespace moe
