#pragma once

// Flat memory for kernels: a run of bytes in DRAM whatever its pages, and words in L1.

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "l1.h"
#include "protocol.h"

namespace moe::tt::kernels {

// The arguments of a launch as a struct; see protocol.h.
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

// A run of bytes in DRAM. Every transfer's L1 address must agree with its offset in the buffer modulo kAlignment.
class FlatMemory {
 public:
  explicit FlatMemory(const FlatArgs& args)
      : accessor_(TensorAccessorArgs<kNumCompileArgs>(), args.address, 1u << args.page_size_log2),
        offset_(static_cast<uint64_t>(args.offset_high) << 32 | args.offset_low),
        page_size_log2_(args.page_size_log2) {}

  uint32_t page_size() const {
    return 1u << page_size_log2_;
  }

  // Starts reading bytes [begin, begin + size) into L1. `room` is a multiple of kAlignment with space for the bytes and
  // one kAlignment more; returns the address at which the first of them arrives.
  uint32_t read(uint64_t begin, uint32_t size, uint32_t room) const {
    const uint32_t destination = room + (static_cast<uint32_t>(offset_ + begin) & (kAlignment - 1));
    transfer(begin, size, destination, [](uint64_t noc_address, uint32_t l1_address, uint32_t bytes) {
      noc_async_read(noc_address, l1_address, bytes);
    });
    return destination;
  }

  // Starts writing bytes from L1 to [begin, begin + size).
  void write(uint64_t begin, uint32_t size, uint32_t source) const {
    l1_fence();
    transfer(begin, size, source, [](uint64_t noc_address, uint32_t l1_address, uint32_t bytes) {
      noc_async_write(l1_address, noc_address, bytes);
    });
  }

  // Starts writing a page of a run that begins with one.
  void write_page(uint32_t page, uint32_t source) const {
    l1_fence();
    const uint32_t first = static_cast<uint32_t>(offset_ >> page_size_log2_);
    noc_async_write(source, accessor_.get_noc_addr(first + page), page_size());
  }

 private:
  template <typename Start>
  void transfer(uint64_t begin, uint32_t size, uint32_t l1_address, const Start& start) const {
    begin += offset_;
    uint32_t page = static_cast<uint32_t>(begin >> page_size_log2_);
    uint32_t within = static_cast<uint32_t>(begin) & (page_size() - 1);
    while (size > 0) {
      const uint32_t rest = page_size() - within;
      const uint32_t bytes = size < rest ? size : rest;
      start(accessor_.get_noc_addr(page, within), l1_address, bytes);
      l1_address += bytes;
      size -= bytes;
      within = 0;
      ++page;
    }
  }

  decltype(TensorAccessor(TensorAccessorArgs<kNumCompileArgs>(), 0u, 0u)) accessor_;
  uint64_t offset_;
  uint32_t page_size_log2_;
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

FORCE_INLINE uint32_t min(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

FORCE_INLINE uint32_t ceil_divide(uint32_t a, uint32_t b) {
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
