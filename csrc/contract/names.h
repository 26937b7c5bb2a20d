#pragma once

namespace moe {

// The operators' qualified names, for registrations and for error messages.
inline constexpr const char* kPrepareMapping = "moe::prepare_mapping";
inline constexpr const char* kPrepareRouting = "moe::prepare_routing";

}  // namespace moe
