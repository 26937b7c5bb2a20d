#pragma once

// On the chip compile-time arguments are constants. Here one compiled kernel serves every program and looks them up, so
// a kernel may use them as values but not in constant expressions.

#include <cstdint>

#include "tt/runtime/emulated/kernel/kernel_context.h"

template <uint32_t Idx>
inline uint32_t get_ct_arg() {
  return moe::tt::runtime::emulated::this_kernel().compile_arg(Idx);
}

#define get_compile_time_arg_val(arg_idx) get_ct_arg<arg_idx>()
