#pragma once

// A pointer to a word of L1: on the chip its address, in emulation what CoreLocalMem finds there.

#include <cstdint>

#include "api/dataflow/dataflow_api.h"

#ifdef KERNEL_BUILD

// GNU ld places .bss of a kernel without .data behind its code; csrc/tt/kernels/common says more.
[[gnu::used, gnu::retain]] inline uint32_t kKeepDataSegment = 1;

inline volatile tt_l1_ptr uint32_t* word_at(uint32_t address) {
  return reinterpret_cast<volatile tt_l1_ptr uint32_t*>(address);
}

#else

#include "api/core_local_mem.h"

inline volatile uint32_t* word_at(uint32_t address) {
  return CoreLocalMem<volatile uint32_t>(address).get_unsafe_ptr();
}

#endif
