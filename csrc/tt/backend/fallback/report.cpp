#include "tt/backend/fallback/report.h"

#include <mutex>
#include <unordered_map>

namespace moe::tt::backend {
namespace {

struct Totals {
  std::mutex mutex;
  std::unordered_map<c10::OperatorName, FallbackTotals> of;
};

Totals& totals() {
  static auto* const instance = new Totals;
  return *instance;
}

}  // namespace

std::vector<FallbackTotals> fallback_totals() {
  const std::lock_guard lock(totals().mutex);
  std::vector<FallbackTotals> result;
  result.reserve(totals().of.size());
  for (const auto& [name, operators_totals] : totals().of) {
    result.push_back(operators_totals);
    result.back().op = c10::toString(name);
  }
  return result;
}

FallbackRecord::~FallbackRecord() {
  const CopiedBytes& after = copied_bytes();
  const std::lock_guard lock(totals().mutex);
  auto& operators_totals = totals().of[name_];
  ++operators_totals.calls;
  operators_totals.bytes_from_device += after.from_device - before_.from_device;
  operators_totals.bytes_to_device += after.to_device - before_.to_device;
}

}  // namespace moe::tt::backend
