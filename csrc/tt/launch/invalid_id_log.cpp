#include "tt/launch/invalid_id_log.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "contract/invalid_id.h"

namespace moe::tt::launch {

using kernels::InvalidIdRecord;
using kernels::kInvalidIdRecordSize;

std::string InvalidId::message() const {
  const std::string text = is_local ? local_id_out_of_range_message(op, position, id, num_experts)
                                    : id_out_of_range_message(op, position, top_k, id, num_experts);
  return text + (more_calls ? "; calls after it met such ids too" : "");
}

uint64_t InvalidIdLog::num_bytes(uint32_t num_cores) {
  return uint64_t{num_cores} * kernels::kProcessors * kInvalidIdRecordSize;
}

kernels::InvalidIdArgs InvalidIdLog::begin_call(
    const char* op, const RouterChoices& choices, const kernels::DramRangeArgs& records) {
  const uint32_t number =
      number_of({op, choices.top_k, choices.num_experts, choices.id_size, choices.ids_signed, false});
  uint32_t local_number = number;
  if (choices.local_experts) {
    local_number = number_of(
        {op, 1, choices.num_experts, choices.local_experts->id_size, choices.local_experts->ids_signed, true});
  }
  ++last_call_;
  if (last_call_ == 0) {
    ++last_call_;  // 0 is no call
  }
  return {records, last_call_, number, local_number};
}

uint32_t InvalidIdLog::number_of(const Operation& operation) {
  auto found = std::ranges::find(operations_, operation);
  if (found == operations_.end()) {
    found = operations_.insert(found, operation);
  }
  return static_cast<uint32_t>(found - operations_.begin());
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
    return std::tuple(record.call, !operations_.at(record.operation).is_local, record.position);
  };
  const InvalidIdRecord first = *std::ranges::min_element(met, {}, order);
  const bool more_calls = std::ranges::any_of(
      met, [&](const InvalidIdRecord& record) { return record.more_calls > 0 || record.call != first.call; });
  const Operation& operation = operations_.at(first.operation);
  return InvalidId{
      operation.op,
      operation.is_local,
      first.position,
      operation.top_k,
      id_of(operation, first),
      operation.num_experts,
      more_calls};
}

// The host's number for an id of the kernel's two words.
int64_t InvalidIdLog::id_of(const Operation& operation, const InvalidIdRecord& record) {
  if (operation.id_size == sizeof(int64_t)) {
    return static_cast<int64_t>(static_cast<uint64_t>(record.id_high) << 32 | record.id_low);
  }
  return operation.ids_signed ? static_cast<int64_t>(static_cast<int32_t>(record.id_low)) : record.id_low;
}

}  // namespace moe::tt::launch
