#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "tt/launch/invalid_id_log.h"
#include "tt/launch/tensor.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// The invalid ids of one thread's calls on one device: the log, and the records in the device's memory. The lock is for
// the end of a process, when another thread takes what is left.
class InvalidIds {
 public:
  // Bytes of device memory for the records.
  static uint64_t num_bytes(const runtime::DeviceProperties& properties);

  InvalidIds(runtime::Device& device, const runtime::BufferSpan& records);

  // Gives a call its number, for the arguments of its launches.
  kernels::InvalidIdArgs begin_call(const Checks& checks) {
    const std::lock_guard lock(mutex_);
    return log_.begin_call(checks, records_.range);
  }

  // Whether there were calls since take().
  bool has_calls() const {
    const std::lock_guard lock(mutex_);
    return log_.last_call() != 0;
  }

  // For a graph's calls: how many there were since take(), which have not been launched and are forgotten; and that so
  // many are launched again.
  uint32_t end_capture();
  void begin_replay(uint32_t calls);

  // The first invalid id since it was last asked, once everything launched has ended. Waits for that, if there were
  // calls. Clears the log.
  std::optional<InvalidId> take();

  const std::shared_ptr<runtime::Buffer>& buffer() const {
    return span_.buffer;
  }

 private:
  std::vector<std::byte> read() const;
  void clear();

  runtime::Device& device_;
  const runtime::BufferSpan span_;
  const Tensor records_;
  mutable std::mutex mutex_;  // guards the log and the records
  InvalidIdLog log_;
};

}  // namespace moe::tt::launch
