#pragma once

// What the host and the kernel permute.cpp agree on; the kernel's file says what the words mean.

#include <cstdint>

#include "../../contract/permute.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
enum PermuteTensor : uint32_t {
  kGroupedTokens = kIds,
  kHidden = kWeights,
  kPermuted = kFirstOutput,
  kNumPermuteTensors,
};

// A row is a number of units of so many bytes, whatever its elements: theirs are 2, 4 or 8.
inline constexpr uint32_t kRowUnit = 2;

// How a launch's work is divided.
struct PermutePlan {
  uint32_t num_workers;
  uint32_t part;        // units, a multiple of kAlignment bytes; a row's last part may have fewer
  uint32_t num_parts;   // of a row
  uint32_t block;       // tokens; the last block may have fewer
  uint32_t slice;       // of grouped_tokens, that a worker holds at a time
  uint32_t remembered;  // places of tokens of a worker's later blocks, at most
};

// Where a token of a later block goes.
struct [[gnu::may_alias]] TokenPlace {
  uint32_t token;
  uint32_t row;
};

// Where a worker keeps what it works on, from the beginning of its L1.
struct PermuteScratch {
  uint32_t zeros;       // as many as a transfer moves; before them is the slice of grouped_tokens
  uint32_t moved;       // a part on its way to a place of another alignment
  uint32_t remembered;  // a TokenPlace each
  uint32_t parts;       // of a block
  uint32_t end;

  static constexpr PermuteScratch of(const PermutePlan& plan) {
    PermuteScratch scratch{};
    scratch.zeros = elements_scratch(plan.slice, sizeof(uint32_t));
    scratch.moved = scratch.zeros + kMaxPageSize;
    scratch.remembered = scratch.moved + elements_scratch(plan.part, kRowUnit);
    scratch.parts = scratch.remembered +
                    align_up<uint32_t>(plan.remembered * static_cast<uint32_t>(sizeof(TokenPlace)), kAlignment);
    scratch.end = scratch.parts + plan.block * elements_scratch(plan.part, kRowUnit);
    return scratch;
  }
};

// The common run-time arguments.
struct PermuteArgs {
  DramRangeArgs grouped_tokens;  // where pages are rows, one of them
  DramRangeArgs hidden;
  DramRangeArgs permuted;
  InvalidIdArgs invalid_ids;
  uint32_t num_tokens;  // rows of hidden that grouped_tokens can name
  uint32_t num_rows;    // of the output
  uint32_t row_width;   // units
  PermutePlan plan;
  PermuteScratch scratch;
};
static_assert(kNumRuntimeArgs + sizeof(PermuteArgs) / sizeof(uint32_t) <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
