#pragma once

// What the host and the kernel prepare_mapping.cpp agree on.

#include <cstdint>

#include "../../contract/prepare_mapping.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
inline constexpr uint32_t kMapping = kFirstOutput;
inline constexpr uint32_t kNumMappingTensors = kMapping + 1;

// Where a worker keeps what it works on, from the beginning of its L1: a slice of the choices, or rows of them, and
// then a batch of pages.
struct MappingScratch {
  uint32_t weights;  // of the slice, after its ids
  uint32_t batch;

  // `margin` is space for what is before the batch. There is as much behind it.
  static constexpr MappingScratch of(
      uint32_t slice, uint32_t margin, uint32_t id_size, uint32_t weight_size, PageKind pages) {
    MappingScratch scratch{};
    scratch.weights = elements_scratch(slice, id_size);
    const uint32_t choices = pages == kRowPages ? kRowsScratch : scratch.weights + elements_scratch(slice, weight_size);
    scratch.batch = choices + margin;
    return scratch;
  }
};

// The common run-time arguments.
struct MappingArgs {
  ChoicesArgs choices;
  InvalidIdArgs invalid_ids;
  DramRangeArgs mapping;
  MappingLayout<uint32_t> layout;
  uint32_t num_pages;  // of the map
  uint32_t num_workers;
  uint32_t page_share;      // pages of a worker, at most
  uint32_t batch_pages;     // pages that it builds at a time
  uint32_t slice;           // choices that it holds at a time, where pages are flat
  uint32_t has_large_rows;  // then these are of one token, else all that a batch needs
  MappingScratch scratch;
};
static_assert(kNumRuntimeArgs + sizeof(MappingArgs) / sizeof(uint32_t) <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
