#pragma once

#include <cstdint>
#include <span>

#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/kernel_wait.h"
#include "tt/runtime/emulated/kernel/queue_pages.h"

namespace moe::tt::runtime::emulated {

// The circular buffers of its own core as one kernel uses them. Pushing and popping are releases, and a wait that ends
// is an acquire.
class CircularBuffers {
 public:
  CircularBuffers(const KernelSite& kernel, const KernelWait& wait) : kernel_(kernel), wait_(wait) {}

  void reserve_back(uint32_t index, uint32_t pages);
  void push_back(uint32_t index, uint32_t pages);
  void wait_front(uint32_t index, uint32_t pages);
  void pop_front(uint32_t index, uint32_t pages);

  // L1 addresses of the page to fill next and of the page to empty next.
  uint32_t write_ptr(uint32_t index) const;
  uint32_t read_ptr(uint32_t index);

  std::span<const QueuePages> pages() const {
    return pages_;
  }

 private:
  const L1Layout::Ring& ring(uint32_t index) const;
  void check_pages(uint32_t index, uint32_t pages) const;
  CircularBufferCounters& counters(uint32_t index) const;
  uint32_t advanced(uint32_t index, uint32_t page, uint32_t pages) const;

  const KernelSite& kernel_;
  const KernelWait& wait_;
  QueuePages pages_[kNumCircularBuffers];  // each processor has its own, as on the chip
};

}  // namespace moe::tt::runtime::emulated
