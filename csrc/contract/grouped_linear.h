#pragma once

namespace moe {

// The operator's qualified name and its derivative's, for their registrations and their errors.
inline constexpr const char* kGroupedLinear = "moe::grouped_linear";
inline constexpr const char* kGroupedLinearBackwardWeight = "moe::grouped_linear_backward_weight";

}  // namespace moe
