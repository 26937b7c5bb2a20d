#pragma once

#include <cstdint>
#include <string>

namespace moe {

// The error's text for an id that is neither in [0, num_experts) nor "no expert". `position` is token * top_k + k of
// the first such id. The words stand apart from the raising, for an asynchronous device finds the id first and reports
// it later.
std::string id_out_of_range_message(const char* op, int64_t position, int64_t top_k, int64_t id, int64_t num_experts);

// The same for such an id in local_experts, at `position` there.
std::string local_id_out_of_range_message(const char* op, int64_t position, int64_t id, int64_t num_experts);

// The text for an index that is neither a row in [0, num_rows) nor -1, at a place of the tensor `name`, such as "2, 1".
std::string row_out_of_range_message(
    const char* op, const char* name, const std::string& place, int64_t row, int64_t num_rows);

}  // namespace moe
