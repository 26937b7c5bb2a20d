#pragma once

#include <cstddef>
#include <cstdint>

#include "api/compile_time_args.h"

// The place of a tensor's description in the compile-time arguments. A tensor that is interleaved over DRAM, the only
// kind that is emulated, has two: kInterleavedDram and the page size.
template <std::size_t CTA_OFFSET>
struct TensorAccessorArgs {
  static constexpr bool is_dram = true;

  static uint32_t config() {
    return get_compile_time_arg_val(CTA_OFFSET);
  }
  static uint32_t get_aligned_page_size() {
    return get_compile_time_arg_val(CTA_OFFSET + 1);
  }

  static constexpr uint32_t num_compile_time_args() {
    return 2;
  }
  static constexpr uint32_t next_compile_time_args_offset() {
    return CTA_OFFSET + num_compile_time_args();
  }
};
