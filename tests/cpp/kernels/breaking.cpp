// Kernels that break one rule each. Most take the addresses of two buffers as their common arguments.

#include "kernel.h"

namespace {

TensorAccessor source() {
  return TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
}

volatile uint32_t* semaphore(uint32_t id) {
  return CoreLocalMem<volatile uint32_t>(get_semaphore(id)).get_unsafe_ptr();
}

uint32_t arg(int index) {
  return get_arg_val<uint32_t>(index);
}

}  // namespace

TEST_KERNEL(end_with_read) {
  noc_async_read(source().get_noc_addr(0), get_write_ptr(0), 64);
}

TEST_KERNEL(end_with_write) {
  noc_async_write(get_write_ptr(0), source().get_noc_addr(0), 64);
}

TEST_KERNEL(end_with_flushed_write) {
  noc_async_write(get_write_ptr(0), source().get_noc_addr(0), 64);
  noc_async_writes_flushed();
}

TEST_KERNEL(end_with_posted_write) {
  noc_async_write_one_packet<true, true>(get_write_ptr(0), source().get_noc_addr(0), 64);
  noc_async_write_barrier();
}

TEST_KERNEL(end_with_atomic) {
  noc_semaphore_inc(get_noc_addr(get_semaphore(0)), 1);
  noc_async_write_barrier();
}

TEST_KERNEL(barrier_on_the_other_noc) {
  noc_async_read(source().get_noc_addr(0), get_write_ptr(0), 64, 1);
  noc_async_read_barrier(0);
}

// (offset in the source's page, offset in circular buffer 0, bytes)
TEST_KERNEL(read_bytes) {
  noc_async_read(source().get_noc_addr(0, arg(0)), get_write_ptr(0) + arg(1), arg(2));
  noc_async_read_barrier();
}

TEST_KERNEL(write_bytes) {
  noc_async_write(get_write_ptr(0) + arg(1), source().get_noc_addr(0, arg(0)), arg(2));
  noc_async_write_barrier();
}

TEST_KERNEL(read_page) {
  noc_async_read(source().get_noc_addr(arg(0)), get_write_ptr(0), 64);
  noc_async_read_barrier();
}

// (x, y, address, bytes)
TEST_KERNEL(write_to_node) {
  noc_async_write(get_write_ptr(0), get_noc_addr(arg(0), arg(1), arg(2)), arg(3));
  noc_async_write_barrier();
}

TEST_KERNEL(read_from_own_l1) {
  noc_async_read(get_noc_addr(get_write_ptr(0) + 8), get_write_ptr(0) + 64, 8);
  noc_async_read_barrier();
}

// (bytes)
TEST_KERNEL(read_zeros) {
  noc_async_read(get_noc_addr(MEM_ZEROS_BASE), get_write_ptr(0), arg(0));
  noc_async_read_barrier();
}

// (bytes)
TEST_KERNEL(one_packet) {
  noc_async_read_one_packet(source().get_noc_addr(0), get_write_ptr(0), arg(0));
  noc_async_read_barrier();
}

TEST_KERNEL(read_between_states) {
  const uint64_t from = source().get_noc_addr(0);
  noc_async_read_one_packet_set_state(from, 64);
  noc_async_read(from, get_write_ptr(0), 64);
  noc_async_read_one_packet_with_state(static_cast<uint32_t>(from), get_write_ptr(0));
  noc_async_read_barrier();
}

TEST_KERNEL(inline_write_to_dram) {
  noc_inline_dw_write(source().get_noc_addr(0), 1);
}

TEST_KERNEL(increment_data) {
  noc_semaphore_inc(get_noc_addr(get_write_ptr(0)), 1);
}

// (x, y of start and end, num_dests)
TEST_KERNEL(multicast) {
  noc_async_write_multicast(
      get_write_ptr(0), get_noc_multicast_addr(arg(0), arg(1), arg(2), arg(3), get_write_ptr(0)), 64, arg(4));
  noc_async_write_barrier();
}

TEST_KERNEL(linked_multicast) {
  noc_async_write_multicast(
      get_write_ptr(0), get_noc_multicast_addr(arg(0), arg(1), arg(2), arg(3), get_write_ptr(0)), 64, arg(4), true);
  noc_async_write_barrier();
}

TEST_KERNEL(multicast_as_unicast) {
  noc_async_write(get_write_ptr(0), get_noc_multicast_addr(18, 18, 19, 18, get_write_ptr(0)), 64);
}

// (byte offset from circular buffer 0)
TEST_KERNEL(load_word) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(0) + arg(0));
  noc_semaphore_set(semaphore(0), *words);
}

// (index)
TEST_KERNEL(load_element) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(0));
  noc_semaphore_set(semaphore(0), words[arg(0)]);
}

TEST_KERNEL(load_from_nowhere) {
  const CoreLocalMem<uint32_t> words(16);
  noc_semaphore_set(semaphore(0), *words);
}

TEST_KERNEL(argument_that_is_not_there) {
  arg(1);
}

TEST_KERNEL(common_argument_that_is_not_there) {
  get_common_arg_val<uint32_t>(2);
}

TEST_KERNEL(compile_argument_that_is_not_there) {
  (void)get_compile_time_arg_val(3);
}

TEST_KERNEL(accessor_of_nothing) {
  TensorAccessor(TensorAccessorArgs<0>(), 0);
}

TEST_KERNEL(semaphore_that_is_not_there) {
  get_semaphore(1);
}

TEST_KERNEL(wait_on_data) {
  noc_semaphore_wait(CoreLocalMem<volatile uint32_t>(get_write_ptr(0)).get_unsafe_ptr(), 1);
}

TEST_KERNEL(wait_on_host_memory) {
  volatile uint32_t word = 1;
  noc_semaphore_wait(&word, 1);
}

TEST_KERNEL(queue_that_is_not_there) {
  get_write_ptr(7);
}

TEST_KERNEL(reserve_too_much) {
  cb_reserve_back(0, 5);
}

TEST_KERNEL(push_without_reserve) {
  cb_push_back(0, 4);
}

TEST_KERNEL(pop_without_wait) {
  cb_pop_front(0, 1);
}

TEST_KERNEL(push_across_the_end) {
  cb_reserve_back(0, 3);
  cb_push_back(0, 3);
  cb_wait_front(0, 3);
  cb_pop_front(0, 3);
  cb_reserve_back(0, 3);
  cb_push_back(0, 3);
}

// Waits for a value that no kernel sets: (value).
TEST_KERNEL(wait_for_nobody) {
  noc_semaphore_wait_min(semaphore(0), arg(0));
}

TEST_KERNEL(wait_front_for_nobody) {
  cb_wait_front(0, 2);
}

TEST_KERNEL(reserve_for_nobody) {
  cb_reserve_back(0, 4);
  cb_push_back(0, 4);
  cb_reserve_back(0, 1);
}

// Tells the other core by a write that never leaves: (x, y of the other).
TEST_KERNEL(wait_without_flush) {
  noc_semaphore_set(semaphore(1), 1);
  noc_semaphore_set_remote(get_semaphore(1), get_noc_addr(arg(0), arg(1), get_semaphore(0)));
  noc_semaphore_wait(semaphore(0), 1);
}
