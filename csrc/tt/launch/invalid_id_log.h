#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "export.h"
#include "tt/kernels/common/args.h"

namespace moe::tt::launch {

// Ids that a call's kernels check.
struct CheckedIds {
  enum Kind {
    kExperts,       // selected_experts
    kLocalExperts,  // local_experts
    kTokens,        // grouped_tokens
  };

  const char* op;
  Kind kind;
  uint32_t num_columns;  // of their tensor: K, or 1
  uint32_t id_size;
  bool is_signed;

  bool operator==(const CheckedIds&) const = default;
};

// All of a call's.
struct Checks {
  CheckedIds ids;
  uint32_t limit;  // E, or T: what all of them are below
  std::optional<CheckedIds> local_experts = std::nullopt;
};

// An id that is out of range, as a launch met it.
struct MOE_API InvalidId {
  CheckedIds checked;
  int64_t limit;
  int64_t position;  // row * num_columns + column
  int64_t id;
  bool more_calls;  // calls after this one met such ids too

  // The text of the error.
  std::string message() const;
};

// Which call of which operator a record of an invalid id speaks of. Kernels leave the records in device memory, one a
// worker; whose memory that is, and who reads it, is not the log's business. Not thread-safe.
class MOE_API InvalidIdLog {
 public:
  // Bytes of device memory for the records of so many cores: kInvalidIdRecordSize each, zeros where there is none.
  static uint64_t num_bytes(uint32_t num_cores);

  // Gives a call its number, for the arguments of its launches.
  kernels::InvalidIdArgs begin_call(const Checks& checks, const kernels::DramRangeArgs& records);

  // The number of the last call; 0 before the first one.
  uint32_t last_call() const {
    return last_call_;
  }
  // The calls with the numbers up to this one are launched again.
  void repeat_calls(uint32_t last_call) {
    last_call_ = last_call;
  }
  // Numbers begin anew. There is no record.
  void forget_calls() {
    last_call_ = 0;
  }

  // The first invalid id of all records.
  std::optional<InvalidId> first(std::span<const std::byte> records) const;

 private:
  uint32_t number_of(const CheckedIds& ids);
  static int64_t id_of(const CheckedIds& checked, const kernels::InvalidIdRecord& record);

  uint32_t last_call_ = 0;
  std::vector<CheckedIds> checked_;  // of all calls: there are few different ones, and all are kept
};

}  // namespace moe::tt::launch
