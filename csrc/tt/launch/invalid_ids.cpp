#include "tt/launch/invalid_ids.h"

namespace moe::tt::launch {
namespace {

// The records, for launches of both kinds of pages: a page of the buffer is a row of records too.
Tensor records_tensor(const runtime::BufferSpan& span) {
  Tensor records = flat_tensor(span);
  records.range.row_size = records.range.page_size;
  return records;
}

}  // namespace

uint64_t InvalidIds::num_bytes(const runtime::DeviceProperties& properties) {
  return InvalidIdLog::num_bytes(properties.num_cores());
}

InvalidIds::InvalidIds(runtime::Device& device, const runtime::BufferSpan& records)
    : device_(device), span_(records), records_(records_tensor(records)) {
  clear();
}

uint32_t InvalidIds::end_capture() {
  const std::lock_guard lock(mutex_);
  const uint32_t calls = log_.last_call();
  log_.forget_calls();
  return calls;
}

void InvalidIds::begin_replay(uint32_t calls) {
  const std::lock_guard lock(mutex_);
  log_.repeat_calls(calls);
}

std::optional<InvalidId> InvalidIds::take() {
  const std::lock_guard lock(mutex_);
  if (log_.last_call() == 0) {
    return std::nullopt;
  }
  const std::optional<InvalidId> invalid = log_.first(read());
  if (invalid) {
    clear();
  }
  log_.forget_calls();
  return invalid;
}

std::vector<std::byte> InvalidIds::read() const {
  std::vector<std::byte> bytes(num_bytes(device_.properties()));
  device_.read(span_.buffer, span_.offset, bytes);
  return bytes;
}

void InvalidIds::clear() {
  const std::vector<std::byte> zeros(num_bytes(device_.properties()));
  device_.write(span_.buffer, span_.offset, zeros);
}

}  // namespace moe::tt::launch
