#pragma once

// A worker's entry: which one it is, its arguments, its L1.

#include <cstdint>
#include <type_traits>

#include "api/dataflow/dataflow_api.h"
#include "args.h"
#include "l1.h"

namespace moe::tt::kernels {

// The common run-time arguments of a launch as a struct. On the chip they are read where they are.
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

// Whether rows have a capacity. On the chip this is a constant, and costs nothing.
FORCE_INLINE bool has_max_tokens() {
  return (get_compile_time_arg_val(kOptions) & kMaxTokens) != 0;
}

// Whether there are rows that other launches write. On the chip this is a constant, and costs nothing.
FORCE_INLINE bool has_some_rows() {
  return (get_compile_time_arg_val(kOptions) & kSomeRows) != 0;
}

struct Worker {
  uint32_t number;   // within the launch
  uint32_t scratch;  // the address of its L1, a multiple of kAlignment
};

FORCE_INLINE Worker this_worker() {
  const uint32_t processor = get_compile_time_arg_val(kProcessor);
  return {
      get_arg_val<uint32_t>(kCore) * kProcessors + processor, align_up<uint32_t>(get_write_ptr(processor), kAlignment)};
}

// Calls `run(id_size, weight_size, number, scratch)` with the sizes as types, and this worker's. The sizes are compared
// by `if` and not by `if constexpr`: in emulation a kernel is compiled once, and its compile-time arguments are values.
template <typename Run>
FORCE_INLINE void run_worker(const Run& run) {
  const Worker own = this_worker();
  const auto with_weights = [&](auto id_size) {
    if (get_compile_time_arg_val(kWeightSize) == 2) {
      run(id_size, std::integral_constant<uint32_t, 2>(), own.number, own.scratch);
    } else {
      run(id_size, std::integral_constant<uint32_t, 4>(), own.number, own.scratch);
    }
  };
  const uint32_t id_size = get_compile_time_arg_val(kIdSize);
  if (id_size == 2) {
    with_weights(std::integral_constant<uint32_t, 2>());
  } else if (id_size == 4) {
    with_weights(std::integral_constant<uint32_t, 4>());
  } else {
    with_weights(std::integral_constant<uint32_t, 8>());
  }
}

}  // namespace moe::tt::kernels
