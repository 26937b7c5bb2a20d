#pragma once

// What the host and the kernel prepare_mapping.cpp agree on.

#include <cstdint>

#include "../../contract/prepare_mapping.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
inline constexpr uint32_t kMapping = kFirstOutput;
inline constexpr uint32_t kNumMappingTensors = kMapping + 1;

// The common run-time arguments. A worker's L1 holds a slice of the choices, or, where pages are rows, kRowsScratch of
// them, and then a batch of pages.
struct MappingArgs {
  ChoicesArgs choices;
  InvalidIdArgs invalid_ids;
  DramRangeArgs mapping;
  MappingLayout<uint32_t> layout;
  uint32_t num_pages;  // of the map
  uint32_t num_workers;
  uint32_t slice;        // choices that a worker holds at a time
  uint32_t batch_pages;  // pages that it builds at a time
};
static_assert(kNumRuntimeArgs + sizeof(MappingArgs) / sizeof(uint32_t) <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
