#pragma once

// Flat memory for kernels: a run of bytes in DRAM whatever its pages, and words in L1.

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "l1.h"
#include "protocol.h"

namespace moe::tt::kernels {

// The arguments of a launch as a struct; see protocol.h. On the chip they are read where they are.
#ifdef KERNEL_BUILD

template <typename Args>
FORCE_INLINE const tt_l1_ptr Args& common_args() {
  return *reinterpret_cast<const tt_l1_ptr Args*>(get_common_arg_addr(0));
}

#else

template <typename Args>
Args common_args() {
  static_assert(sizeof(Args) % sizeof(uint32_t) == 0, "arguments are words");
  union {
    uint32_t words[sizeof(Args) / sizeof(uint32_t)];
    Args args;
  } both;
  for (uint32_t i = 0; i < sizeof(Args) / sizeof(uint32_t); ++i) {
    both.words[i] = get_common_arg_val<uint32_t>(i);
  }
  return both.args;
}

#endif

FORCE_INLINE uint32_t min(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

// Keeps the compiler from moving accesses to L1 across a transfer that it does not see.
FORCE_INLINE void l1_fence() {
  asm volatile("" ::: "memory");
}

FORCE_INLINE void read_barrier() {
  noc_async_read_barrier();
  l1_fence();
}

FORCE_INLINE void write_barrier() {
  l1_fence();
  noc_async_write_barrier();
}

// A run of bytes in DRAM.
class FlatMemory {
 public:
  // Where a byte is; the first page is the run's.
  struct Place {
    uint32_t page;
    uint32_t within;

    // What its L1 address must be modulo kAlignment.
    uint32_t phase() const {
      return within & (kAlignment - 1);
    }
  };

  // Keeps a reference to the arguments: reading them again costs no more than reading a copy.
  explicit FlatMemory(const tt_l1_ptr FlatArgs& args) : args_(args) {}

  uint32_t page_size() const {
    return 1u << args_.page_size_log2;
  }

  // The place of an element in a run of elements of so many bytes, a power of two.
  template <uint32_t kElementSize>
  FORCE_INLINE Place element(uint32_t index) const {
    const uint32_t element = args_.first_byte / kElementSize + index;
    const uint32_t page_elements_log2 = args_.page_size_log2 - __builtin_ctz(kElementSize);
    return {element >> page_elements_log2, (element * kElementSize) & (page_size() - 1)};
  }

  // Starts reading bytes into L1. `room` is a multiple of kAlignment with space for the bytes and one kAlignment more;
  // returns the address at which the first of them arrives.
  FORCE_INLINE uint32_t read(Place place, uint32_t size, uint32_t room) const {
    const uint32_t destination = room + place.phase();
    transfer(place, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
      noc_async_read<kMaxPageSize>(noc_address, destination + done, bytes);
    });
    return destination;
  }

  // Starts writing bytes from an L1 address of the place's phase.
  FORCE_INLINE void write(Place place, uint32_t size, uint32_t source) const {
    l1_fence();
    transfer(place, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source + done, noc_address, bytes);
    });
  }

  // Starts writing copies of one word, of which L1 holds a page.
  FORCE_INLINE void write_constant(Place place, uint32_t size, uint32_t constant_page) const {
    uint32_t source = constant_page + place.phase();
    transfer(place, size, [&](uint64_t noc_address, uint32_t, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source, noc_address, bytes);
      source = constant_page;
    });
  }

 private:
  // Calls `start(noc_address, done, bytes)` for the part in each page, `done` bytes after the first.
  template <typename Start>
  FORCE_INLINE void transfer(Place place, uint32_t size, const Start& start) const {
    const auto accessor = TensorAccessor(TensorAccessorArgs<kNumCompileArgs>(), args_.address, page_size());
    uint32_t page = args_.first_page + place.page;
    uint32_t within = place.within;
    for (uint32_t done = 0; done < size; ++page) {
      const uint32_t bytes = min(page_size() - within, size - done);
      start(accessor.get_noc_addr(page, within), done, bytes);
      done += bytes;
      within = 0;
    }
  }

  const tt_l1_ptr FlatArgs& args_;
};

// Sets words of L1, with few instructions a word.
FORCE_INLINE void fill_words(uint32_t address, uint32_t count, uint32_t value) {
  L1Pointer<uint32_t> words = l1_pointer<uint32_t>(address);
  uint32_t i = 0;
  for (; i + 8 <= count; i += 8, words += 8) {
    words[0] = value;
    words[1] = value;
    words[2] = value;
    words[3] = value;
    words[4] = value;
    words[5] = value;
    words[6] = value;
    words[7] = value;
  }
  for (; i < count; ++i, ++words) {
    *words = value;
  }
}

// Sets a page of L1 to copies of a word: the first ones by the processor, the others by the NoC, from those before.
inline void fill_page(uint32_t address, uint32_t bytes, uint32_t value) {
  uint32_t filled = bytes < 2 * kAlignment ? bytes : 2 * kAlignment;
  fill_words(address, filled / sizeof(uint32_t), value);
  while (filled < bytes) {
    const uint32_t size = bytes - filled < filled ? bytes - filled : filled;
    l1_fence();
    noc_async_read<kMaxPageSize>(get_noc_addr(address), address + filled, size);
    read_barrier();
    filled += size;
  }
}

// Starts setting bytes of L1, a multiple of 16 at a multiple of 16, to zero: they are after a read_barrier(). The NoC
// copies zeros that the firmware keeps in every core's L1.
FORCE_INLINE void start_zeroing(uint32_t address, uint32_t size) {
  const uint64_t zeros = get_noc_addr(MEM_ZEROS_BASE);
  for (const uint32_t end = address + size; address < end; address += MEM_ZEROS_SIZE) {
    noc_async_read_one_packet(zeros, address, min(end - address, MEM_ZEROS_SIZE));
  }
}

FORCE_INLINE uint32_t div_up(uint32_t a, uint32_t b) {
  return (a + b - 1) / b;
}

// Half-open range of the items that fall to a worker when all are divided evenly.
struct Share {
  uint32_t begin;
  uint32_t end;

  Share(uint32_t items, uint32_t worker, uint32_t num_workers) {
    const uint32_t each = items / num_workers;
    const uint32_t extra = items - each * num_workers;
    begin = worker * each + (worker < extra ? worker : extra);
    end = begin + each + (worker < extra ? 1 : 0);
  }
};

}  // namespace moe::tt::kernels
