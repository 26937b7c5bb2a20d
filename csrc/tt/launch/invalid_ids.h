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

// The invalid ids of one device: the log, and the records in the device's memory.
class InvalidIds {
 public:
  // Bytes of device memory for the records.
  static uint64_t num_bytes(const runtime::DeviceProperties& properties);

  InvalidIds(runtime::Device& device, const runtime::BufferSpan& records);

  // Gives a call its number, for the arguments of its launches. Needs mutex().
  kernels::InvalidIdArgs begin_call(const Checks& checks) {
    return log_.begin_call(checks, records_.range);
  }

  // The first invalid id since it was last asked, once everything launched has ended. Waits for that. Clears the log.
  // For one thread at a time.
  std::optional<InvalidId> take();

  // To hold from begin_call() until the call is launched: the records are not cleared between them.
  std::mutex& mutex() {
    return mutex_;
  }

  const std::shared_ptr<runtime::Buffer>& buffer() const {
    return span_.buffer;
  }

 private:
  std::vector<std::byte> read() const;
  void clear();

  runtime::Device& device_;
  const runtime::BufferSpan span_;
  const Tensor records_;
  std::mutex mutex_;  // guards the log, and clear()
  InvalidIdLog log_;
};

}  // namespace moe::tt::launch
