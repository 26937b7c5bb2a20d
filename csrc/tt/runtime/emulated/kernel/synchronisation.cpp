// The semaphores and circular buffers of a kernel: the only places, besides the end of a launch, where what one kernel
// wrote becomes visible to another. Release and acquire stand where the chip's protocol has them and nowhere else.

#include <atomic>

#include "tt/runtime/emulated/kernel/kernel_context.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

uint32_t* word(volatile uint32_t* semaphore) {
  return const_cast<uint32_t*>(semaphore);
}

}  // namespace

uint32_t KernelContext::semaphore_address(uint32_t id) const {
  if (id >= layout_.num_semaphores()) {
    fail(str("expected the id of a semaphore below ", layout_.num_semaphores(), ", got ", id));
  }
  return layout_.semaphore_address(id);
}

const L1Layout::Region& KernelContext::semaphore_at(const volatile uint32_t* pointer) const {
  uint32_t address = address_of(pointer);
  const L1Layout::Region& region = layout_.at(address);
  if (!region.is_semaphore || region.address != address) {
    fail(str("expected the address of a semaphore (", layout_.describe(), "), got ", address));
  }
  return region;
}

void KernelContext::semaphore_set(volatile uint32_t* semaphore, uint32_t value) {
  check_aborted();
  semaphore_at(semaphore);
  std::atomic_ref<uint32_t>(*word(semaphore)).store(value, std::memory_order_release);
  launch_.scheduler.signal(core());
}

void KernelContext::semaphore_wait(volatile uint32_t* semaphore, uint32_t value) {
  wait(Condition::semaphore_equal(semaphore_at(semaphore).index, word(semaphore), value));
}

void KernelContext::semaphore_wait_min(volatile uint32_t* semaphore, uint32_t value) {
  wait(Condition::semaphore_at_least(semaphore_at(semaphore).index, word(semaphore), value));
}

void KernelContext::wait(const Condition& condition) {
  check_aborted();
  // Time passes while a kernel waits: what it has sent arrives.
  noc_.deliver_sent();
  launch_.scheduler.wait(core(), static_cast<uint32_t>(instance_.kernel->processor), condition, describe_);
}

const L1Layout::Ring& KernelContext::ring(uint32_t circular_buffer) const {
  if (circular_buffer >= kNumCircularBuffers || layout_.ring(circular_buffer).num_pages == 0) {
    fail(str("expected a circular buffer of the program (", layout_.describe(), "), got ", circular_buffer));
  }
  return layout_.ring(circular_buffer);
}

void KernelContext::check_pages(uint32_t circular_buffer, uint32_t pages) const {
  uint32_t capacity = ring(circular_buffer).num_pages;
  if (pages == 0 || pages > capacity) {
    fail(str("expected from 1 to the ", capacity, " pages of circular buffer ", circular_buffer, ", got ", pages));
  }
}

CircularBufferCounters& KernelContext::counters(uint32_t circular_buffer) const {
  return launch_.worker_cores.counters(core(), circular_buffer);
}

void KernelContext::reserve_back(uint32_t circular_buffer, uint32_t pages) {
  check_pages(circular_buffer, pages);
  wait(Condition::pages_free(circular_buffer, counters(circular_buffer), ring(circular_buffer).num_pages, pages));
}

void KernelContext::wait_front(uint32_t circular_buffer, uint32_t pages) {
  check_pages(circular_buffer, pages);
  wait(Condition::pages_available(circular_buffer, counters(circular_buffer), pages));
}

void KernelContext::push_back(uint32_t circular_buffer, uint32_t pages) {
  check_aborted();
  check_pages(circular_buffer, pages);
  CircularBufferCounters& counters = this->counters(circular_buffer);
  uint32_t free = ring(circular_buffer).num_pages -
                  (counters.received.load(std::memory_order_relaxed) - counters.acked.load(std::memory_order_relaxed));
  if (pages > free) {
    fail(
        str("expected cb_reserve_back before cb_push_back: circular buffer ",
            circular_buffer,
            " has ",
            free,
            " free pages, got ",
            pages));
  }
  write_page_[circular_buffer] = advanced(circular_buffer, write_page_[circular_buffer], pages);
  counters.received.fetch_add(pages, std::memory_order_release);
  launch_.scheduler.signal(core());
}

void KernelContext::pop_front(uint32_t circular_buffer, uint32_t pages) {
  check_aborted();
  check_pages(circular_buffer, pages);
  CircularBufferCounters& counters = this->counters(circular_buffer);
  uint32_t available =
      counters.received.load(std::memory_order_relaxed) - counters.acked.load(std::memory_order_relaxed);
  if (pages > available) {
    fail(
        str("expected cb_wait_front before cb_pop_front: circular buffer ",
            circular_buffer,
            " holds ",
            available,
            " pages, got ",
            pages));
  }
  read_page_[circular_buffer] = advanced(circular_buffer, read_page_[circular_buffer], pages);
  counters.acked.fetch_add(pages, std::memory_order_release);
  launch_.scheduler.signal(core());
}

uint32_t KernelContext::advanced(uint32_t circular_buffer, uint32_t page, uint32_t pages) const {
  uint32_t capacity = ring(circular_buffer).num_pages;
  if (page + pages > capacity) {
    // The chip compares its pointer with the end only for equality.
    fail(
        str("expected the pages pushed or popped to meet the end of circular buffer ",
            circular_buffer,
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

uint32_t KernelContext::write_ptr(uint32_t circular_buffer) const {
  const L1Layout::Ring& ring = this->ring(circular_buffer);
  return ring.address + write_page_[circular_buffer] * ring.page_size;
}

uint32_t KernelContext::read_ptr(uint32_t circular_buffer) const {
  const L1Layout::Ring& ring = this->ring(circular_buffer);
  return ring.address + read_page_[circular_buffer] * ring.page_size;
}

}  // namespace moe::tt::runtime::emulated
