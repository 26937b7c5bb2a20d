#pragma once

#include <cstdint>

#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

// What one kernel may touch of a circular buffer. One of which the kernel neither reserves nor waits for pages is plain
// memory to it.
struct QueuePages {
  bool is_queue = false;
  // Pages from write_page on that the kernel has reserved, and from read_page on that it has waited for.
  uint32_t write_page = 0;
  uint32_t reserved = 0;
  uint32_t read_page = 0;
  uint32_t waited = 0;

  // Whether the page, of so many, is one of those.
  bool contains(uint32_t page, uint32_t num_pages) const {
    return (page + num_pages - write_page) % num_pages < reserved ||
           (page + num_pages - read_page) % num_pages < waited;
  }
};

}  // namespace moe::tt::runtime::emulated
