#pragma once

#include <cstdint>
#include <string>

namespace moe {

// What to say of an id that is neither in [0, num_experts) nor "no expert". `position` is token * K + k of the first
// such id. An asynchronous device finds the id and reports it later, so the words stand apart from the raising.
std::string id_out_of_range_message(
    const char* op, int64_t position, int64_t num_choices, int64_t id, int64_t num_experts);

}  // namespace moe
