#pragma once

#include <cstdint>

namespace moe::tt::backend {

// The page size of a buffer for that many bytes, on a chip with so many cores. Kernels divide their work by pages:
// where sizes allow, there is about one for each worker and no more, as each costs its transfer.
uint32_t page_size_for(uint64_t bytes, uint32_t num_cores);

}  // namespace moe::tt::backend
