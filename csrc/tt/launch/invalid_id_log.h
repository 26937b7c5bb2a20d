#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "export.h"
#include "tt/launch/router_choices.h"

namespace moe::tt::launch {

// An id, of the choices or of local_experts, that is neither an expert's nor "no expert", as a launch met it.
struct MOE_API InvalidId {
  const char* op;
  bool is_local;     // in local_experts
  int64_t position;  // token * top_k + k, or that in local_experts
  int64_t top_k;
  int64_t id;
  int64_t num_experts;
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
  kernels::InvalidIdArgs begin_call(
      const char* op, const RouterChoices& choices, const kernels::DramRangeArgs& records);

  // The number of the last call; 0 before the first one.
  uint32_t last_call() const {
    return last_call_;
  }
  // Numbers begin anew. There is no record.
  void forget_calls() {
    last_call_ = 0;
  }

  // The first invalid id of all records.
  std::optional<InvalidId> first(std::span<const std::byte> records) const;

 private:
  // What calls have in common that differ in their tokens alone: there are few of them, and all are kept.
  struct Operation {
    const char* op;
    uint32_t top_k;
    uint32_t num_experts;
    uint32_t id_size;
    bool ids_signed;
    bool is_local;  // the ids are those of local_experts

    bool operator==(const Operation&) const = default;
  };

  uint32_t number_of(const Operation& operation);
  static int64_t id_of(const Operation& operation, const kernels::InvalidIdRecord& record);

  uint32_t last_call_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace moe::tt::launch
