#include "tt/backend/memory/page_size.h"

#include <algorithm>
#include <bit>

#include "tt/kernels/common/args.h"

namespace moe::tt::backend {
namespace {

// Pages of 64 bytes would take four times the cores for a small map, and save 2 % of the clocks.
constexpr uint64_t kMinPageSize = 256;

}  // namespace

uint32_t page_size_for(uint64_t bytes, uint32_t num_cores) {
  const uint64_t workers = uint64_t{num_cores} * kernels::kProcessors;
  const uint64_t share = (bytes + workers - 1) / workers;
  return static_cast<uint32_t>(std::clamp<uint64_t>(std::bit_ceil(share), kMinPageSize, kernels::kMaxPageSize));
}

}  // namespace moe::tt::backend
