// Kernels that use bytes which are not there yet, not theirs, or nobody's: what only all checks find. Each takes the
// address of a buffer as its common argument.

#include "kernel.h"

namespace {

uint64_t page(uint32_t id) {
  return TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0)).get_noc_addr(id);
}

volatile uint32_t* semaphore(uint32_t id) {
  return CoreLocalMem<volatile uint32_t>(get_semaphore(id)).get_unsafe_ptr();
}

uint32_t arg(int index) {
  return get_arg_val<uint32_t>(index);
}

CoreLocalMem<uint32_t> words_of(uint32_t buffer) {
  return CoreLocalMem<uint32_t>(get_write_ptr(buffer));
}

void use(uint32_t value) {
  noc_semaphore_set(semaphore(0), value);
}

struct Pair {
  uint32_t first;
  uint32_t second;
};

}  // namespace

// Uses what a read is to bring: (NoC of the read, how).
TEST_KERNEL(use_before_barrier) {
  noc_async_read(page(0), get_write_ptr(0), 64, static_cast<uint8_t>(arg(0)));
  noc_async_read_barrier(0);
  const CoreLocalMem<uint32_t> words = words_of(0);
  switch (arg(1)) {
    case 0:
      use(words[15]);
      break;
    case 1:
      words[15] = 1;
      break;
    case 2:
      words[15] += 1;
      break;
    case 3:
      use(CoreLocalMem<Pair>(get_write_ptr(0))->second);
      break;
    default:
      noc_async_write(get_write_ptr(0) + 48, page(1), 16);
  }
}

TEST_KERNEL(write_words) {
  words_of(0)[0] = 1;
  words_of(0)[1] = 2;
}

// (word)
TEST_KERNEL(load_unwritten) {
  words_of(0)[0] = 1;
  use(words_of(0)[arg(0)]);
}

TEST_KERNEL(update_unwritten) {
  words_of(0)[3] += 1;
}

TEST_KERNEL(copy_unwritten) {
  words_of(0)[0] = 1;
  noc_async_write(get_write_ptr(0), get_noc_addr(get_write_ptr(0) + 64), 16);
  noc_async_write_barrier();
  use(words_of(0)[16]);
  use(words_of(0)[17]);
}

TEST_KERNEL(load_from_dram) {
  noc_async_read(page(0), get_write_ptr(0), 64);
  noc_async_read_barrier();
  use(words_of(0)[2]);
}

TEST_KERNEL(leave_the_buffer) {
  CoreLocalMem<uint32_t> words = words_of(0);
  words += 64;  // circular buffer 1 begins there
  *words = 1;
}

TEST_KERNEL(store_to_semaphore) {
  *CoreLocalMem<uint32_t>(get_semaphore(0)) = 0;
}

TEST_KERNEL(store_to_semaphore_by_pointer) {
  noc_semaphore_inc(get_noc_addr(get_semaphore(0)), 3);
  noc_async_atomic_barrier();
  *semaphore(0) = 1;
}

TEST_KERNEL(load_without_wait) {
  use(*CoreLocalMem<uint32_t>(get_read_ptr(0)));
}

TEST_KERNEL(load_after_pop) {
  cb_reserve_back(0, 1);
  words_of(0)[0] = 1;
  cb_push_back(0, 1);
  cb_wait_front(0, 1);
  const CoreLocalMem<uint32_t> words(get_read_ptr(0));
  use(words[0]);
  cb_pop_front(0, 1);
  use(words[0]);
}

TEST_KERNEL(store_after_push) {
  cb_reserve_back(0, 2);
  const CoreLocalMem<uint32_t> words = words_of(0);
  words[0] = 1;
  cb_push_back(0, 1);
  words[16] = 2;
  words[0] = 2;
}

TEST_KERNEL(store_beyond_reserved) {
  cb_reserve_back(0, 1);
  words_of(0)[16] = 1;
}

TEST_KERNEL(read_beyond_reserved) {
  cb_reserve_back(0, 1);
  noc_async_read(page(0), get_write_ptr(0) + 64, 64);
}

TEST_KERNEL(write_without_wait) {
  noc_async_write(get_read_ptr(0), page(0), 64);
}

// Changes the source of a write: (how the write would leave).
TEST_KERNEL(change_source) {
  const CoreLocalMem<uint32_t> words = words_of(0);
  words[0] = 1;
  if (arg(0) == 2) {
    noc_async_write_one_packet<true, true>(words.get_address(), page(0), 64);
  } else {
    noc_async_write(words.get_address(), page(0), 64);
  }
  words[0] = 2;
  if (arg(0) == 0) {
    noc_async_writes_flushed();
  } else if (arg(0) == 1) {
    noc_async_write_barrier();
  } else {
    noc_async_posted_writes_flushed();
  }
}

// Sets the semaphore that another core increments, (x, y of the one that sets it, whether to set).
TEST_KERNEL(set_or_increment) {
  if (arg(2) != 0) {
    noc_semaphore_set(semaphore(0), 0);
  } else {
    noc_semaphore_inc(get_noc_addr(arg(0), arg(1), get_semaphore(0)), 1);
    noc_async_atomic_barrier();
  }
}

// Writes bytes of a page that another core writes too, and tells it: (x, y of the other, bytes from, when to tell: 0
// never, 1 before the barrier, 2 after it, 3 the other tells).
TEST_KERNEL(write_page_of_two) {
  const uint64_t others = get_noc_addr(arg(0), arg(1), get_semaphore(0));
  if (arg(3) == 3) {
    noc_semaphore_wait(semaphore(0), 1);
  }
  noc_async_write(get_write_ptr(0) + arg(2), page(0) + arg(2), 32);
  if (arg(3) == 1) {
    noc_semaphore_inc(others, 1);
  }
  noc_async_write_barrier();
  if (arg(3) == 2) {
    noc_semaphore_inc(others, 1);
  }
  noc_async_atomic_barrier();
}
