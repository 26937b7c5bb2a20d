#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "tt/kernels/common/args.h"
#include "tt/launch/router_choices.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// An id that is neither an expert's nor "no expert", as a launch met it.
struct InvalidId {
  const char* op;
  int64_t position;  // token * top_k + k
  int64_t top_k;
  int64_t id;
  int64_t num_experts;
  bool more_calls;  // calls after this one met such ids too
};

// The log of invalid ids of one device. Kernels leave them in records in DRAM, one a worker; the log knows which call
// of which operator a record speaks of.
class InvalidIds {
 public:
  // Bytes of device memory for the records.
  static uint64_t num_bytes(const runtime::DeviceProperties& properties);

  InvalidIds(runtime::Device& device, runtime::BufferSpan records);

  // Gives a call its number, for the arguments of its launches. Needs mutex().
  kernels::InvalidIdArgs begin_call(const char* op, const RouterChoices& choices);

  // The first invalid id since it was last asked, once everything launched has ended. Waits for that. Clears the log.
  // For one thread at a time.
  std::optional<InvalidId> take();

  // To hold from begin_call() until the call is launched: the log is not cleared between them.
  std::mutex& mutex() {
    return mutex_;
  }

  const std::shared_ptr<runtime::Buffer>& buffer() const {
    return records_.buffer;
  }

 private:
  struct Call {
    const char* op;
    uint32_t top_k;
    uint32_t num_experts;
    uint32_t id_size;
    bool ids_signed;
  };

  static int64_t id_of(const Call& call, const kernels::InvalidIdRecord& record);

  std::vector<kernels::InvalidIdRecord> read() const;
  void clear();
  void forget_calls(uint32_t last);

  runtime::Device& device_;
  const runtime::BufferSpan records_;
  std::mutex mutex_;  // guards the members below, and clear()
  uint32_t last_call_ = 0;
  std::map<uint32_t, Call> calls_;  // by number, those since the last take()
};

}  // namespace moe::tt::launch
