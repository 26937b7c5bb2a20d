// Waits for the page that another core sends, and writes it to page 0: for all cores (address of the target, page
// size). Semaphore 1 counts from 6.

#include "l1.h"

void kernel_main() {
  const uint32_t page_size = get_common_arg_val<uint32_t>(1);
  noc_semaphore_wait(word_at(get_semaphore(1)), 7);
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0), page_size);
  noc_async_write(get_write_ptr(1), target.get_noc_addr(0), page_size);
  noc_async_write_barrier();
}
