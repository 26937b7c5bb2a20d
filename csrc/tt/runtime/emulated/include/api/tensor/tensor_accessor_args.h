#pragma once

#include <cstddef>
#include <cstdint>

#include "api/compile_time_args.h"

// Where in the compile-time arguments tt-metal describes a tensor: for one that is interleaved over DRAM, a word of
// configuration and the page size. There are no others here.
template <std::size_t CTA_OFFSET>
struct TensorAccessorArgs {
  // tt-metal's ArgConfig::IsDram, not sharded.
  static constexpr uint32_t kInterleavedDram = 2;

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
