#include "tt/launch/invalid_id_log.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "contract/invalid_id.h"

namespace moe::tt::launch {

using kernels::InvalidIdRecord;
using kernels::kInvalidIdRecordSize;

std::string InvalidId::message() const {
  const auto text = [this, op = checked.op] {
    switch (checked.kind) {
      case CheckedIds::kTokens:
        return row_out_of_range_message(op, "grouped_tokens", std::to_string(position), id, limit);
      case CheckedIds::kLocalExperts:
        return local_id_out_of_range_message(op, position, id, limit);
      case CheckedIds::kExperts:
        break;
    }
    return id_out_of_range_message(op, position, checked.num_columns, id, limit);
  }();
  return text + (more_calls ? "; calls after it met such ids too" : "");
}

uint64_t InvalidIdLog::num_bytes(uint32_t num_cores) {
  return uint64_t{num_cores} * kernels::kProcessors * kInvalidIdRecordSize;
}

kernels::InvalidIdArgs InvalidIdLog::begin_call(const Checks& checks, const kernels::DramRangeArgs& records) {
  const uint32_t number = number_of(checks.ids);
  const uint32_t local_number = checks.local_experts ? number_of(*checks.local_experts) : number;
  ++last_call_;
  if (last_call_ == 0) {
    ++last_call_;  // 0 is no call
  }
  return {records, last_call_, number, local_number, checks.limit};
}

uint32_t InvalidIdLog::number_of(const CheckedIds& ids) {
  auto found = std::ranges::find(checked_, ids);
  if (found == checked_.end()) {
    found = checked_.insert(found, ids);
  }
  return static_cast<uint32_t>(found - checked_.begin());
}

std::optional<InvalidId> InvalidIdLog::first(std::span<const std::byte> records) const {
  std::vector<InvalidIdRecord> met;
  for (; records.size() >= kInvalidIdRecordSize; records = records.subspan(kInvalidIdRecordSize)) {
    InvalidIdRecord record;
    std::memcpy(&record, records.data(), sizeof(record));
    if (record.call != 0) {
      met.push_back(record);
    }
  }
  if (met.empty()) {
    return std::nullopt;
  }
  // Of a call's ids, those of local_experts come first.
  const auto order = [&](const InvalidIdRecord& record) {
    return std::tuple(record.call, checked_.at(record.operation).kind != CheckedIds::kLocalExperts, record.position);
  };
  const InvalidIdRecord first = *std::ranges::min_element(met, {}, order);
  const bool more_calls = std::ranges::any_of(
      met, [&](const InvalidIdRecord& record) { return record.more_calls > 0 || record.call != first.call; });
  const CheckedIds& checked = checked_.at(first.operation);
  return InvalidId{checked, first.limit, first.position, id_of(checked, first), more_calls};
}

// The host's number for an id of the kernel's two words.
int64_t InvalidIdLog::id_of(const CheckedIds& checked, const InvalidIdRecord& record) {
  if (checked.id_size == sizeof(int64_t)) {
    return static_cast<int64_t>(static_cast<uint64_t>(record.id_high) << 32 | record.id_low);
  }
  return checked.is_signed ? static_cast<int64_t>(static_cast<int32_t>(record.id_low)) : record.id_low;
}

}  // namespace moe::tt::launch
