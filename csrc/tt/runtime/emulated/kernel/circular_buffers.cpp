#include "tt/runtime/emulated/kernel/circular_buffers.h"

#include <algorithm>
#include <atomic>

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

const L1Layout::Ring& CircularBuffers::ring(uint32_t index) const {
  if (index >= kNumCircularBuffers || kernel_.layout().ring(index).num_pages == 0) {
    kernel_.fail(str("expected a circular buffer of the program (", kernel_.layout().describe(), "), got ", index));
  }
  return kernel_.layout().ring(index);
}

void CircularBuffers::check_pages(uint32_t index, uint32_t pages) const {
  uint32_t capacity = ring(index).num_pages;
  if (pages == 0 || pages > capacity) {
    kernel_.fail(str("expected from 1 to the ", capacity, " pages of circular buffer ", index, ", got ", pages));
  }
}

CircularBufferCounters& CircularBuffers::counters(uint32_t index) const {
  return kernel_.launch().worker_cores.counters(kernel_.core(), index);
}

void CircularBuffers::reserve_back(uint32_t index, uint32_t pages) {
  check_pages(index, pages);
  wait_.until(Condition::pages_free(index, counters(index), ring(index).num_pages, pages));
  pages_[index].is_queue = true;
  pages_[index].reserved = std::max(pages_[index].reserved, pages);
}

void CircularBuffers::wait_front(uint32_t index, uint32_t pages) {
  check_pages(index, pages);
  wait_.until(Condition::pages_available(index, counters(index), pages));
  pages_[index].is_queue = true;
  pages_[index].waited = std::max(pages_[index].waited, pages);
}

void CircularBuffers::push_back(uint32_t index, uint32_t pages) {
  kernel_.check_aborted();
  check_pages(index, pages);
  CircularBufferCounters& counters = this->counters(index);
  QueuePages& queue = pages_[index];
  if (pages > queue.reserved) {
    kernel_.fail(
        str("expected cb_reserve_back before cb_push_back: of circular buffer ",
            index,
            " the kernel has reserved ",
            queue.reserved,
            " pages, got ",
            pages));
  }
  queue.write_page = advanced(index, queue.write_page, pages);
  queue.reserved -= pages;
  kernel_.release(&counters.received);
  counters.received.fetch_add(pages, std::memory_order_release);
  kernel_.launch().scheduler.signal(kernel_.core());
}

void CircularBuffers::pop_front(uint32_t index, uint32_t pages) {
  kernel_.check_aborted();
  check_pages(index, pages);
  CircularBufferCounters& counters = this->counters(index);
  QueuePages& queue = pages_[index];
  if (pages > queue.waited) {
    kernel_.fail(
        str("expected cb_wait_front before cb_pop_front: of circular buffer ",
            index,
            " the kernel has waited for ",
            queue.waited,
            " pages, got ",
            pages));
  }
  queue.read_page = advanced(index, queue.read_page, pages);
  queue.waited -= pages;
  kernel_.release(&counters.acked);
  counters.acked.fetch_add(pages, std::memory_order_release);
  kernel_.launch().scheduler.signal(kernel_.core());
}

uint32_t CircularBuffers::advanced(uint32_t index, uint32_t page, uint32_t pages) const {
  uint32_t capacity = ring(index).num_pages;
  if (page + pages > capacity) {
    // The chip compares its pointer with the end only for equality.
    kernel_.fail(
        str("expected the pages pushed or popped to meet the end of circular buffer ",
            index,
            " exactly: ",
            capacity,
            " pages, got ",
            pages,
            " from page ",
            page,
            " on"));
  }
  return page + pages == capacity ? 0 : page + pages;
}

uint32_t CircularBuffers::write_ptr(uint32_t index) const {
  const L1Layout::Ring& ring = this->ring(index);
  return ring.address + pages_[index].write_page * ring.page_size;
}

uint32_t CircularBuffers::read_ptr(uint32_t index) {
  const L1Layout::Ring& ring = this->ring(index);
  pages_[index].is_queue = true;  // whoever asks where to read has others write
  return ring.address + pages_[index].read_page * ring.page_size;
}

}  // namespace moe::tt::runtime::emulated
