#pragma once

// What falls back: how often each operator ran on the host for tt tensors, and the bytes that were copied for it.

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>

#include "export.h"
#include "tt/backend/memory/copied_bytes.h"

namespace moe::tt::backend {

struct FallbackTotals {
  std::string op;
  uint64_t calls = 0;
  uint64_t bytes_from_device = 0;
  uint64_t bytes_to_device = 0;
};

// Totals of each operator that has fallen back since the process began, on any thread and device.
MOE_API std::vector<FallbackTotals> fallback_totals();

// Adds one call of an operator to its totals, with what this thread copies while the record lives.
class FallbackRecord {
 public:
  explicit FallbackRecord(const c10::OperatorHandle& op) : name_(op.operator_name()), before_(copied_bytes()) {}
  ~FallbackRecord();
  FallbackRecord(const FallbackRecord&) = delete;
  FallbackRecord& operator=(const FallbackRecord&) = delete;

 private:
  const c10::OperatorName& name_;
  const CopiedBytes before_;
};

}  // namespace moe::tt::backend
