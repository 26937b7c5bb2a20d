#pragma once

namespace moe {

// The operator's qualified name and its derivatives', for their registrations and their errors.
inline constexpr const char* kUnpermute = "moe::unpermute";
inline constexpr const char* kUnpermuteBackwardExpertOutputs = "moe::unpermute_backward_expert_outputs";
inline constexpr const char* kUnpermuteBackwardRoutingWeights = "moe::unpermute_backward_routing_weights";

}  // namespace moe
