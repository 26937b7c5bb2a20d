#include "tt/launch/invalid_ids.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "tt/launch/arguments.h"

namespace moe::tt::launch {

using kernels::InvalidIdRecord;
using kernels::kInvalidIdRecordSize;

uint64_t InvalidIds::num_bytes(const runtime::DeviceProperties& properties) {
  return uint64_t{properties.num_cores()} * kernels::kProcessors * kInvalidIdRecordSize;
}

InvalidIds::InvalidIds(runtime::Device& device, runtime::BufferSpan records)
    : device_(device), records_(std::move(records)) {
  clear();
}

kernels::InvalidIdArgs InvalidIds::begin_call(const char* op, const RouterChoices& choices) {
  ++last_call_;
  calls_[last_call_] = {op, choices.top_k, choices.num_experts, choices.id_size, choices.ids_signed};
  return {dram_range_args(records_), last_call_};
}

std::optional<InvalidId> InvalidIds::take() {
  uint32_t last_call;
  {
    const std::lock_guard lock(mutex_);
    if (calls_.empty()) {
      return std::nullopt;
    }
    last_call = last_call_;
  }
  std::vector<InvalidIdRecord> records = read();
  const std::lock_guard lock(mutex_);
  if (records.empty()) {
    forget_calls(last_call);
    return std::nullopt;
  }
  // Again, with the lock: nothing is launched between reading the records and clearing them.
  records = read();
  clear();
  const auto order = [](const InvalidIdRecord& record) { return std::pair(record.call, record.position); };
  const InvalidIdRecord first = *std::ranges::min_element(records, {}, order);
  const bool more_calls = std::ranges::any_of(
      records, [&](const InvalidIdRecord& record) { return record.more_calls > 0 || record.call != first.call; });
  const Call call = calls_.at(first.call);
  forget_calls(last_call_);
  return InvalidId{call.op, first.position, call.top_k, id_of(call, first), call.num_experts, more_calls};
}

// The host's number for an id of the kernel's two words.
int64_t InvalidIds::id_of(const Call& call, const InvalidIdRecord& record) {
  if (call.id_size == sizeof(int64_t)) {
    return static_cast<int64_t>(static_cast<uint64_t>(record.id_high) << 32 | record.id_low);
  }
  return call.ids_signed ? static_cast<int64_t>(static_cast<int32_t>(record.id_low)) : record.id_low;
}

std::vector<InvalidIdRecord> InvalidIds::read() const {
  std::vector<std::byte> bytes(num_bytes(device_.properties()));
  device_.read(records_.buffer, records_.offset, bytes);
  std::vector<InvalidIdRecord> records;
  for (size_t begin = 0; begin < bytes.size(); begin += kInvalidIdRecordSize) {
    InvalidIdRecord record;
    std::memcpy(&record, &bytes[begin], sizeof(record));
    if (record.call != 0) {
      records.push_back(record);
    }
  }
  return records;
}

void InvalidIds::clear() {
  const std::vector<std::byte> zeros(num_bytes(device_.properties()));
  device_.write(records_.buffer, records_.offset, zeros);
}

void InvalidIds::forget_calls(uint32_t last) {
  calls_.erase(calls_.begin(), calls_.upper_bound(last));
  if (calls_.empty()) {
    last_call_ = 0;
  }
}

}  // namespace moe::tt::launch
