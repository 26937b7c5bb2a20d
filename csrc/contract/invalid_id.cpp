#include "contract/invalid_id.h"

#include <sstream>

namespace moe {
namespace {

std::string message(const char* op, const std::string& place, int64_t id, int64_t num_experts) {
  std::ostringstream message;
  message << op << ": expected expert ids in [0, " << num_experts << ") or the \"no expert\" id (all bits set), got "
          << id << " at " << place << " with num_experts = " << num_experts;
  return message.str();
}

}  // namespace

std::string id_out_of_range_message(const char* op, int64_t position, int64_t top_k, int64_t id, int64_t num_experts) {
  std::ostringstream place;
  place << "selected_experts[" << position / top_k << ", " << position % top_k << "]";
  return message(op, place.str(), id, num_experts);
}

std::string local_id_out_of_range_message(const char* op, int64_t position, int64_t id, int64_t num_experts) {
  return message(op, "local_experts[" + std::to_string(position) + "]", id, num_experts);
}

std::string row_out_of_range_message(
    const char* op, const char* name, const std::string& place, int64_t row, int64_t num_rows) {
  std::ostringstream message;
  message << op << ": expected " << name << " in [0, " << num_rows << ") or -1, got " << row << " at " << name << "["
          << place << "]";
  return message.str();
}

}  // namespace moe
