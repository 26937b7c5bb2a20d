// Writes a page to another core's circular buffer 1 and tells it: (x and y of that core, first word, page size).

#include "l1.h"

void kernel_main() {
  const uint32_t x = get_arg_val<uint32_t>(0);
  const uint32_t y = get_arg_val<uint32_t>(1);
  const uint32_t page_size = get_arg_val<uint32_t>(3);
  const uint32_t address = get_write_ptr(0);
  for (uint32_t offset = 0; offset < page_size; offset += 4) {
    *word_at(address + offset) = get_arg_val<uint32_t>(2) + offset / 4;
  }
  noc_async_write(address, get_noc_addr(x, y, get_write_ptr(1)), page_size);
  noc_async_write_barrier();
  noc_semaphore_inc(get_noc_addr(x, y, get_semaphore(1)), 1);
  noc_async_atomic_barrier();
}
