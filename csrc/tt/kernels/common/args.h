#pragma once

// What the host and every kernel must agree on: arguments, and the parts of L1 and DRAM that both compute with.
// C++17, for the chip's compiler too. What one operator alone needs is in its own header, beside its kernel.

#include <cstdint>

#include "../../runtime/limits.h"

namespace moe::tt::kernels {

// The largest dram_alignment of all chips. Host and kernels align to it everywhere, which suits every chip.
inline constexpr uint32_t kAlignment = 64;

// The largest page of a buffer that kernels read or write: one packet on the NoC of any chip.
inline constexpr uint32_t kMaxPageSize = 4096;

// The workers of a launch are the data-movement processors of its cores: processor p of core c is worker
// c * kProcessors + p. Each has one circular buffer, used as plain memory, with the index of its processor. The workers
// of a core may share one more.
inline constexpr uint32_t kProcessors = runtime::kNumDataMovementProcessors;
inline constexpr uint32_t kSharedBuffer = kProcessors;

// Compile-time arguments of every kernel.
enum CompileArg : uint32_t {
  kIdSize,      // bytes: 2, 4 or 8; of a kernel that reads choices
  kWeightSize,  // bytes: 2 or 4; likewise
  kPageKind,    // a PageKind, of all tensors of a launch
  kProcessor,
  kOptions,         // those of Option that a call has
  kNumCompileArgs,  // kAccessorArgs for each tensor follow, for its TensorAccessor
};
inline constexpr uint32_t kAccessorArgs =
    2;  // of an interleaved buffer: where it is, and a page size that no kernel uses

// What a launch has beside the router's choices. A kernel without them has no code for them.
enum Option : uint32_t {
  kLocalExperts = 1 << 0,
  kMaxTokens = 1 << 1,
  kSomeRows = 1 << 2,  // of the call's rows: other launches write the others
};

// What the pages of a tensor's memory are.
enum PageKind : uint32_t {
  kFlatPages,  // a run of bytes is cut into pages of a power of two
  kRowPages,   // a page is a row of the tensor, padded: ttnn's ROW_MAJOR layout
};

// The tensors of a launch, in the order of their TensorAccessors. An operator numbers its outputs from kFirstOutput on.
// Without local_experts kLocalIds is a number without a tensor.
enum TensorNumber : uint32_t {
  kIds,
  kWeights,
  kInvalidIdRecords,
  kLocalIds,
  kFirstOutput,
};

// Run-time arguments of a core.
enum RuntimeArg : uint32_t {
  kCore,  // its number within the launch
  kNumRuntimeArgs,
};

// Semaphores of a launch whose workers wait for each other.
enum EveryoneSemaphore : uint32_t {
  kArrived,  // on core 0: workers that have come to a barrier, in all barriers
  kPassed,   // on every core: barriers that all workers have come to
  kNumEveryoneSemaphores,
};

// The common run-time arguments of a kernel are a struct, word by word, made of these.

// A run of a tensor's elements.
struct DramRangeArgs {
  uint32_t address;         // of the buffer, in every bank
  uint32_t page_size;       // bytes from a page to the next one in its bank
  uint32_t page_size_log2;  // of flat pages
  uint32_t first_page;
  uint32_t first_byte;  // within that page
  uint32_t row_size;    // of row pages: bytes of elements in a page
};

// The experts that have rows, in the order of these, where a call has local_experts.
struct LocalExpertsArgs {
  DramRangeArgs ids;
  uint32_t count;     // at least 1
  uint32_t id_size;   // bytes: 2, 4 or 8
  uint32_t id_limit;  // as that of the choices
};

// The router's choices.
struct ChoicesArgs {
  DramRangeArgs ids;
  DramRangeArgs weights;
  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
  uint32_t id_limit;  // ids from here on are "no expert" or invalid, as far as their low word tells
  LocalExpertsArgs local_experts;
};

// Where workers report invalid ids: an InvalidIdRecord each.
struct InvalidIdArgs {
  DramRangeArgs records;
  uint32_t call;             // a number from 1 on: the operator's call that a launch belongs to
  uint32_t operation;        // what the host calls the operator and its arguments
  uint32_t local_operation;  // the same where the id is one of local_experts
  uint32_t limit;            // what ids are below
};

// The first invalid id that a worker met since the host last cleared the record; call 0 is none.
struct [[gnu::may_alias]] InvalidIdRecord {
  uint32_t call;
  uint32_t position;  // of choices, token * top_k + k
  uint32_t id_low;
  uint32_t id_high;
  uint32_t more_calls;  // calls after that one which met such ids too
  uint32_t operation;   // of the call
  uint32_t limit;       // likewise
};
inline constexpr uint32_t kInvalidIdRecordSize = kAlignment;
static_assert(sizeof(InvalidIdRecord) <= kInvalidIdRecordSize, "a record fits its place");

template <typename Int>
constexpr Int align_up(Int value, uint32_t alignment) {
  return (value + (alignment - 1)) / alignment * alignment;
}

// Bytes of L1 for elements that arrive from DRAM: kAlignment more than their own, for their place modulo kAlignment.
constexpr uint32_t elements_scratch(uint32_t count, uint32_t size) {
  return align_up<uint32_t>(count * size, kAlignment) + kAlignment;
}

// Bytes of local_experts that a worker reads at a time.
inline constexpr uint32_t kLocalIdsBytes = 2048;

// Bytes of a worker's L1 for the rows of local_experts: a word for each expert, and ids on their way there.
template <typename Int>
constexpr Int row_map_scratch(Int num_experts) {
  return align_up<Int>(num_experts * sizeof(uint32_t), kAlignment) + elements_scratch(kLocalIdsBytes, 1);
}

// Bytes of L1 for rows of the choices, as they come from row pages: a stage for the ids and one for the weights.
inline constexpr uint32_t kRowsScratch = 2 * kMaxPageSize;

constexpr uint32_t rows_scratch(PageKind pages) {
  return pages == kRowPages ? kRowsScratch : 0;
}

}  // namespace moe::tt::kernels
