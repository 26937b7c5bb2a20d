#pragma once

// A core's L1: typed access, fences, fills.
//
// On the chip an L1 address is a pointer. In emulation it is not: every core has its own memory at the same addresses,
// and CoreLocalMem, which has a pointer's operators, finds and checks it. (tt-metal has a class of that name too, but
// not every compiler for its kernels takes it.)

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "args.h"

#ifdef KERNEL_BUILD

// GNU ld gives an empty .data no address, and .bss, which follows it, then lands behind the code of an NCRISC kernel
// instead of in its local memory. Tenstorrent's own linker has no need of this word.
[[gnu::used, gnu::retain]] inline uint32_t kKeepDataSegment = 1;

namespace moe::tt::kernels {

template <typename T>
using L1Pointer = tt_l1_ptr T*;

template <typename T>
FORCE_INLINE L1Pointer<T> l1_pointer(uint32_t address) {
  return reinterpret_cast<tt_l1_ptr T*>(address);
}

FORCE_INLINE volatile tt_l1_ptr uint32_t* semaphore_pointer(uint32_t address) {
  return reinterpret_cast<volatile tt_l1_ptr uint32_t*>(address);
}

}  // namespace moe::tt::kernels

#else

#include "api/core_local_mem.h"

namespace moe::tt::kernels {

template <typename T>
using L1Pointer = CoreLocalMem<T>;

template <typename T>
L1Pointer<T> l1_pointer(uint32_t address) {
  return CoreLocalMem<T>(address);
}

inline volatile uint32_t* semaphore_pointer(uint32_t address) {
  return CoreLocalMem<volatile uint32_t>(address).get_unsafe_ptr();
}

}  // namespace moe::tt::kernels

#endif

namespace moe::tt::kernels {

// Keeps the compiler from moving accesses to L1 across a transfer, which it does not see.
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

// Copies units within L1.
template <typename Unit>
FORCE_INLINE void copy(uint32_t source_address, uint32_t target_address, uint32_t size) {
  L1Pointer<Unit> source = l1_pointer<Unit>(source_address);
  L1Pointer<Unit> target = l1_pointer<Unit>(target_address);
  uint32_t left = size / sizeof(Unit);
  for (; left >= 4; left -= 4, source += 4, target += 4) {
    const Unit first = source[0];
    const Unit second = source[1];
    const Unit third = source[2];
    const Unit fourth = source[3];
    target[0] = first;
    target[1] = second;
    target[2] = third;
    target[3] = fourth;
  }
  for (; left > 0; --left, ++source, ++target) {
    *target = *source;
  }
}

// Sets a region of L1 to copies of a word: the first ones by the processor, the others by the NoC, from those before.
inline void fill_region(uint32_t address, uint32_t bytes, uint32_t value) {
  uint32_t filled = bytes < 2 * kAlignment ? bytes : 2 * kAlignment;
  fill_words(address, filled / sizeof(uint32_t), value);
  while (filled < bytes) {
    const uint32_t most = filled < kMaxPageSize ? filled : kMaxPageSize;
    const uint32_t size = bytes - filled < most ? bytes - filled : most;
    l1_fence();
    noc_async_read<kMaxPageSize>(get_noc_addr(address), address + filled, size);
    if (filled < kMaxPageSize) {
      read_barrier();
    }
    filled += size;
  }
  read_barrier();
}

// Starts setting bytes of L1 to zero, done at the next read_barrier(). Address and size are multiples of 16. The NoC
// copies zeros that the firmware keeps in every core's L1.
FORCE_INLINE void start_zeroing(uint32_t address, uint32_t size) {
  const uint64_t zeros = get_noc_addr(MEM_ZEROS_BASE);
  for (const uint32_t end = address + size; address < end; address += MEM_ZEROS_SIZE) {
    noc_async_read_one_packet(zeros, address, end - address < MEM_ZEROS_SIZE ? end - address : MEM_ZEROS_SIZE);
  }
}

}  // namespace moe::tt::kernels
