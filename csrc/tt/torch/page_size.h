#pragma once

#include <cstdint>

namespace moe::tt {

// The page size of a buffer for that many bytes. Kernels divide their work by pages and DRAM banks hold whole ones, so
// that a buffer needs more pages than there are cores; a large page costs less per byte to move.
uint32_t page_size_for(uint64_t bytes);

}  // namespace moe::tt
