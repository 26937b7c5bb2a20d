#pragma once

// Typed access to a core's L1. On the chip an L1 address is a pointer. In emulation it is not: every core has its own
// memory at the same addresses, and CoreLocalMem, which has a pointer's operators, finds and checks it. (tt-metal has a
// class of that name too, but not every compiler for its kernels takes it.)

#include <cstdint>

#include "api/dataflow/dataflow_api.h"

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
