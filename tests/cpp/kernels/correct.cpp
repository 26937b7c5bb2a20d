// Kernels that keep every rule.

#include "kernel.h"

namespace {

// An address on another core, whose x and y are two of the run-time arguments.
uint64_t address_on(uint32_t first_arg, uint32_t address) {
  return get_noc_addr(get_arg_val<uint32_t>(first_arg), get_arg_val<uint32_t>(first_arg + 1), address);
}

volatile uint32_t* semaphore(uint32_t id) {
  return CoreLocalMem<volatile uint32_t>(get_semaphore(id)).get_unsafe_ptr();
}

}  // namespace

// Copies pages [first, first + count) of one buffer to another, adding a number to each word. Each processor has a page
// of L1 of its own.
TEST_KERNEL(add_to_pages) {
  constexpr auto source_args = TensorAccessorArgs<1>();
  constexpr auto target_args = TensorAccessorArgs<source_args.next_compile_time_args_offset()>();
  const uint32_t addend = get_compile_time_arg_val(0);
  const auto source = TensorAccessor(source_args, get_common_arg_val<uint32_t>(0));
  const auto target = TensorAccessor(target_args, get_common_arg_val<uint32_t>(1));
  const uint32_t first = get_arg_val<uint32_t>(0);
  const uint32_t count = get_arg_val<uint32_t>(1);
  const uint32_t page_size = source.get_aligned_page_size();
  const uint32_t address = get_write_ptr(noc_index);
  const CoreLocalMem<uint32_t> words(address);
  for (uint32_t page = first; page < first + count; ++page) {
    noc_async_read(source.get_noc_addr(page), address, page_size);
    noc_async_read_barrier();
    for (uint32_t i = 0; i < page_size / 4; ++i) {
      words[i] += addend;
    }
    noc_async_write(address, target.get_noc_addr(page), page_size);
    noc_async_write_barrier();
  }
}

// The same by one-packet transfers that keep their state, half a page at a time.
TEST_KERNEL(copy_page_with_state) {
  constexpr auto source_args = TensorAccessorArgs<0>();
  constexpr auto target_args = TensorAccessorArgs<source_args.next_compile_time_args_offset()>();
  const auto source = TensorAccessor(source_args, get_common_arg_val<uint32_t>(0));
  const auto target = TensorAccessor(target_args, get_common_arg_val<uint32_t>(1));
  const uint32_t half = source.get_aligned_page_size() / 2;
  const uint32_t address = get_write_ptr(0);
  const uint64_t from = source.get_noc_addr(0);
  const uint64_t to = target.get_noc_addr(0);
  noc_async_read_one_packet_set_state(from, half);
  noc_async_write_one_packet_set_state(to, half);
  for (uint32_t i = 0; i < 2; ++i) {
    noc_async_read_one_packet_with_state(static_cast<uint32_t>(from) + i * half, address + i * half);
  }
  noc_async_read_barrier();
  for (uint32_t i = 0; i < 2; ++i) {
    noc_async_write_one_packet_with_state(address + i * half, static_cast<uint32_t>(to) + i * half);
  }
  noc_async_write_barrier();
}

// One processor reads pages into a queue, the other writes them out.
TEST_KERNEL(produce_pages) {
  const auto source = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  const uint32_t first = get_arg_val<uint32_t>(0);
  const uint32_t count = get_arg_val<uint32_t>(1);
  for (uint32_t page = first; page < first + count; ++page) {
    cb_reserve_back(0, 1);
    noc_async_read_page(page, source, get_write_ptr(0));
    noc_async_read_barrier();
    cb_push_back(0, 1);
  }
}

TEST_KERNEL(consume_pages) {
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(1));
  const uint32_t first = get_arg_val<uint32_t>(0);
  const uint32_t count = get_arg_val<uint32_t>(1);
  for (uint32_t page = first; page < first + count; ++page) {
    cb_wait_front(0, 1);
    noc_async_write_page(page, target, get_read_ptr(0));
    noc_async_writes_flushed();
    cb_pop_front(0, 1);
  }
  noc_async_write_barrier();
}

// Passes a counter once around all cores, each adding one: (next x, next y, is first, target page, page size).
TEST_KERNEL(pass_around) {
  const bool is_first = get_arg_val<uint32_t>(2) != 0;
  const uint32_t address = get_write_ptr(0);
  const CoreLocalMem<uint32_t> value(address);
  if (is_first) {
    *value = 1;
  } else {
    noc_semaphore_wait(semaphore(0), 1);
    *value += 1;
  }
  noc_async_write(address, address_on(0, address), 16);
  noc_async_write_barrier();
  noc_semaphore_inc(address_on(0, get_semaphore(0)), 1);
  noc_async_atomic_barrier();
  if (is_first) {
    noc_semaphore_wait(semaphore(0), 1);
    const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
    noc_async_write(address, target.get_noc_addr(0), 32);
    noc_async_write_barrier();
  }
}

// Core 0 sends a page to all others and tells them in order, as the hardware keeps it, then collects their answers.
TEST_KERNEL(send_to_all) {
  const uint32_t others = get_arg_val<uint32_t>(4);
  const uint32_t address = get_write_ptr(0);
  const uint32_t flag = get_semaphore(0);
  const CoreLocalMem<uint32_t> words(address);
  for (uint32_t i = 0; i < 16; ++i) {
    words[i] = 100 + i;
  }
  noc_semaphore_set(semaphore(0), 1);
  auto rectangle = [](uint32_t at) {
    return get_noc_multicast_addr(
        get_arg_val<uint32_t>(0), get_arg_val<uint32_t>(1), get_arg_val<uint32_t>(2), get_arg_val<uint32_t>(3), at);
  };
  noc_async_write_multicast(address, rectangle(address), 64, others, true);
  noc_semaphore_set_multicast(flag, rectangle(flag), others);
  noc_async_writes_flushed();
  noc_semaphore_wait(semaphore(1), others);
  noc_async_write_barrier();
}

// (x and y of core 0, own page)
TEST_KERNEL(receive_and_answer) {
  const uint32_t address = get_write_ptr(0);
  noc_semaphore_wait_min(semaphore(0), 1);
  const CoreLocalMem<uint32_t> words(address);
  words[0] += get_absolute_logical_x() + 10 * get_absolute_logical_y();
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  noc_async_write(address, target.get_noc_addr(get_arg_val<uint32_t>(2)), 64);
  noc_async_write_barrier();
  noc_semaphore_inc(address_on(0, get_semaphore(1)), 1);
  noc_async_atomic_barrier();
}

// All meet at a barrier on core 0, a number of times: (x, y of core 0, cores, rounds).
TEST_KERNEL(meet) {
  const uint32_t cores = get_arg_val<uint32_t>(2);
  const uint32_t rounds = get_arg_val<uint32_t>(3);
  const uint32_t half = noc_index;
  for (uint32_t round = 1; round <= rounds; ++round) {
    noc_semaphore_inc(address_on(0, get_semaphore(half)), 1);
    noc_async_atomic_barrier();
    if (get_absolute_logical_x() == 0 && get_absolute_logical_y() == 0) {
      noc_semaphore_wait_min(semaphore(half), round * cores);
    }
  }
}

// Writes what it knows of itself: (target page).
TEST_KERNEL(who_am_i) {
  const uint32_t address = get_write_ptr(0);
  const CoreLocalMem<uint32_t> words(address);
  words[0] = get_absolute_logical_x();
  words[1] = get_absolute_logical_y();
  words[2] = my_x[noc_index];
  words[3] = my_y[noc_index];
  words[4] = get_compile_time_arg_val(2);
  words[5] = get_arg_val<uint32_t>(1);
  words[6] = noc_index;
  words[7] = get_semaphore(1) - get_semaphore(0);
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  noc_async_write(address, target.get_noc_addr(get_arg_val<uint32_t>(0)), 32);
  noc_async_write_barrier();
}

// What arrives when: words 0 and 1 are the destination of a read before and after the barrier, words 2 and 3 what two
// writes took of a source that changed between issue, flush and barrier.
TEST_KERNEL(time_of_transfers) {
  const auto source = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  const auto target = TensorAccessor(TensorAccessorArgs<2>(), get_common_arg_val<uint32_t>(1));
  const uint32_t read_address = get_write_ptr(0);
  const CoreLocalMem<uint32_t> words(read_address);
  const CoreLocalMem<uint32_t> result(get_write_ptr(1));
  noc_async_read(source.get_noc_addr(0), read_address, 32);
  result[0] = words[0];
  noc_async_read_barrier();
  result[1] = words[0];
  words[0] = 1;
  noc_async_write(read_address, get_noc_addr(get_write_ptr(2)), 16);
  words[0] = 2;
  noc_async_write_barrier();
  result[2] = CoreLocalMem<uint32_t>(get_write_ptr(2))[0];
  noc_async_write(read_address, get_noc_addr(get_write_ptr(2)), 16);
  words[0] = 3;
  noc_async_writes_flushed();
  words[0] = 4;
  result[3] = CoreLocalMem<uint32_t>(get_write_ptr(2))[0];
  noc_async_write_barrier();
  result[4] = CoreLocalMem<uint32_t>(get_write_ptr(2))[0];
  noc_async_write(result.get_address(), target.get_noc_addr(0), 32);
  noc_async_write_barrier();
}

// The same for a posted write: word 0 is the destination before the flush, word 1 after it.
TEST_KERNEL(time_of_posted_write) {
  const CoreLocalMem<uint32_t> source(get_write_ptr(0));
  const CoreLocalMem<uint32_t> destination(get_write_ptr(2));
  const CoreLocalMem<uint32_t> result(get_write_ptr(1));
  source[0] = 1;
  destination[0] = 0;
  noc_async_write_one_packet<true, true>(source.get_address(), get_noc_addr(destination.get_address()), 16);
  source[0] = 2;
  result[0] = destination[0];
  noc_async_posted_writes_flushed();
  result[1] = destination[0];
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  noc_async_write(result.get_address(), target.get_noc_addr(0), 32);
  noc_async_write_barrier();
}

// Sets its own and a remote semaphore in every way there is; the other core waits for each: (x, y of the other).
TEST_KERNEL(ways_to_signal) {
  noc_semaphore_inc(address_on(0, get_semaphore(0)), 7);
  noc_semaphore_wait(semaphore(1), 1);
  noc_inline_dw_write(address_on(0, get_semaphore(0)), 40);
  noc_semaphore_wait(semaphore(1), 2);
  noc_semaphore_set(semaphore(2), 50);
  noc_semaphore_set_remote(get_semaphore(2), address_on(0, get_semaphore(0)));
  noc_async_writes_flushed();
  noc_semaphore_wait(semaphore(1), 3);
  noc_semaphore_inc_multicast(
      get_noc_multicast_addr(
          get_arg_val<uint32_t>(0),
          get_arg_val<uint32_t>(1),
          get_arg_val<uint32_t>(0),
          get_arg_val<uint32_t>(1),
          get_semaphore(0)),
      10,
      1);
  noc_semaphore_wait(semaphore(1), 4);
  noc_async_full_barrier();
}

TEST_KERNEL(ways_to_be_signalled) {
  const uint32_t expected[] = {7, 40, 50, 60};
  for (uint32_t value : expected) {
    noc_semaphore_wait(semaphore(0), value);
    noc_semaphore_inc(address_on(0, get_semaphore(1)), 1);
  }
  noc_async_atomic_barrier();
}

// Writes a page of two runs of the firmware's zeros.
TEST_KERNEL(zero_page) {
  const uint32_t address = get_write_ptr(0);
  const CoreLocalMem<uint32_t> words(address);
  for (uint32_t i = 0; i < MEM_ZEROS_SIZE / 2; ++i) {
    words[i] = i;
  }
  noc_async_read_one_packet_set_state(get_noc_addr(MEM_ZEROS_BASE), MEM_ZEROS_SIZE);
  noc_async_read_one_packet_with_state(MEM_ZEROS_BASE, address);
  noc_async_read_one_packet_with_state(MEM_ZEROS_BASE, address + MEM_ZEROS_SIZE);
  noc_async_read_barrier();
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  noc_async_write(address, target.get_noc_addr(0), 2 * MEM_ZEROS_SIZE);
  noc_async_write_barrier();
}

// Fills a page with a number, and again and again for a while: (number, page, times).
TEST_KERNEL(fill_page) {
  const CoreLocalMem<uint32_t> words(get_write_ptr(0));
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
  const uint32_t size = target.get_aligned_page_size();
  for (uint32_t times = get_arg_val<uint32_t>(2); times > 0; --times) {
    for (uint32_t i = 0; i < size / 4; ++i) {
      words[i] = get_arg_val<uint32_t>(0);
    }
  }
  noc_async_write(words.get_address(), target.get_noc_addr(get_arg_val<uint32_t>(1)), size);
  noc_async_write_barrier();
}
