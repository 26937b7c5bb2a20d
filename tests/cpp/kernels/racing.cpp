// Kernels that race. ThreadSanitizer must report each of them.

#include "kernel.h"

// Writes to the core that reads, (x, y of the other), without telling it.
TEST_KERNEL(write_without_signal) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(0));
  words[0] = 1;
  noc_async_write(
      words.get_address(), get_noc_addr(get_arg_val<uint32_t>(0), get_arg_val<uint32_t>(1), get_write_ptr(1)), 16);
  noc_async_write_barrier();
}

TEST_KERNEL(read_without_wait) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(1));
  words[1] = words[0];
}

// Tells the other core before the data is there: the barrier comes too late.
TEST_KERNEL(signal_before_write) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(0));
  words[0] = 1;
  const uint32_t x = get_arg_val<uint32_t>(0);
  const uint32_t y = get_arg_val<uint32_t>(1);
  noc_async_write(words.get_address(), get_noc_addr(x, y, get_write_ptr(1)), 16);
  noc_semaphore_inc(get_noc_addr(x, y, get_semaphore(0)), 1);
  noc_async_write_barrier();
  noc_async_atomic_barrier();
}

TEST_KERNEL(read_after_wait) {
  noc_semaphore_wait(CoreLocalMem<volatile uint32_t>(get_semaphore(0)).get_unsafe_ptr(), 1);
  const CoreLocalMem<uint32_t> words(get_write_ptr(1));
  words[1] = words[0];
}

// Two cores that both increment a third core's semaphore know nothing of each other: the second core's increment does
// not make the first core's write visible to it. (x, y of the third, x, y of the first, whether to write)
TEST_KERNEL(count_then_touch) {
  const uint64_t third = get_noc_addr(get_arg_val<uint32_t>(0), get_arg_val<uint32_t>(1), get_semaphore(0));
  const uint64_t first = get_noc_addr(get_arg_val<uint32_t>(2), get_arg_val<uint32_t>(3), get_write_ptr(1));
  const bool writes = get_arg_val<uint32_t>(4) != 0;
  if (writes) {
    noc_async_write(get_write_ptr(0), first, 16);
    noc_async_write_barrier();
  }
  noc_semaphore_inc(third, 1);
  noc_async_atomic_barrier();
  if (!writes) {
    noc_async_read(first, get_write_ptr(0), 16);
    noc_async_read_barrier();
  }
}
