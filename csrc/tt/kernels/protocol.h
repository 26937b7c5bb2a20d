#pragma once

// What the host that launches a kernel and the kernel itself must agree on. C++17, for the chip's compiler too.

#include <cstdint>

namespace moe::tt {

// The largest dram_alignment of all chips. Host and kernels align to it everywhere, which suits every chip.
inline constexpr uint32_t kAlignment = 64;

template <typename Int>
constexpr Int align_up(Int value, uint32_t alignment) {
  return (value + (alignment - 1)) / alignment * alignment;
}

// A launch's workers are the data-movement processors of its cores: processor p of core c is worker
// c * kProcessors + p. Each has one circular buffer, used as plain memory, with the index of its processor.
inline constexpr uint32_t kProcessors = 2;

// Compile-time arguments of every kernel.
enum CompileArg : uint32_t {
  kIdBytes,      // 2, 4 or 8
  kWeightBytes,  // 2 or 4
  kProcessor,
  kNumCompileArgs,  // those of a TensorAccessor follow: the same ones for every interleaved DRAM buffer
};

// Run-time arguments of a core.
enum RuntimeArg : uint32_t {
  kCore,  // its number within the launch
  kNumRuntimeArgs,
};

// A run of bytes within a buffer.
struct FlatArgs {
  uint32_t address;  // of the buffer, in every bank
  uint32_t page_size_log2;
  uint32_t offset_low;  // of the first byte, within the buffer
  uint32_t offset_high;
};

// The choices that both operators read.
struct ChoicesArgs {
  FlatArgs ids;
  FlatArgs weights;
  uint32_t num_tokens;
  uint32_t num_choices;
  uint32_t num_experts;
  uint32_t id_limit;  // ids from here on are "no expert" or out of range, as far as their low word tells
};

// Where a worker reports ids out of range: a FaultRecord each.
struct FaultArgs {
  FlatArgs records;
  uint32_t launch;  // a number from 1 on, which tells the host whose fault it was; launches of one call share it
};

// The first id out of range that a worker met since the host last cleared the record; launch 0 is none.
struct [[gnu::may_alias]] FaultRecord {
  uint32_t launch;
  uint32_t position;  // token * num_choices + k
  uint32_t id_low;
  uint32_t id_high;
  uint32_t more;  // launches after that one which met such ids too
};
inline constexpr uint32_t kFaultRecordBytes = kAlignment;
static_assert(sizeof(FaultRecord) <= kFaultRecordBytes, "a record fits its place");

// The common run-time arguments of a kernel are one of these, word by word.

struct MappingArgs {
  ChoicesArgs choices;
  FaultArgs faults;
  FlatArgs mapping;
  uint32_t num_workers;
  uint32_t chunk;        // choices that a worker holds at a time
  uint32_t block_pages;  // pages that it builds at a time
};

// The launch sorts slices of the choices by expert, leaves them in scratch memory, and then writes the rows of the
// experts [first_expert, first_expert + num_rows) from them. A slice's place in the scratch memory holds, each at a
// multiple of kAlignment: a zero and the end of every row's choices within the slice (num_rows + 1 words), the sorted
// tokens (slice words), and their weights.
struct RoutingArgs {
  ChoicesArgs choices;
  FaultArgs faults;
  FlatArgs counts;
  FlatArgs tokens;
  FlatArgs weights;
  FlatArgs scratch;
  uint32_t first_expert;
  uint32_t num_rows;
  uint32_t num_workers;
  uint32_t slice;  // choices in a slice
  uint32_t num_slices;
  uint32_t arena_bytes;  // of a worker's circular buffer
  uint32_t num_cores;
  // Where workers wait for all slices to be sorted: core 0 counts, and tells the others.
  uint32_t first_core_noc_x;
  uint32_t first_core_noc_y;
  uint32_t last_core_noc_x;
  uint32_t last_core_noc_y;
};

// Semaphores of a routing launch.
enum RoutingSemaphore : uint32_t {
  kSorted,  // on core 0: workers that have sorted their slices
  kGo,      // on every core: 1 once all have
  kNumRoutingSemaphores,
};

// tt-metal's limit of run-time arguments, of a core and common ones together.
inline constexpr uint32_t kMaxRuntimeArgs = 341;
static_assert(kNumRuntimeArgs + sizeof(MappingArgs) / sizeof(uint32_t) <= kMaxRuntimeArgs, "tt-metal's limit");
static_assert(kNumRuntimeArgs + sizeof(RoutingArgs) / sizeof(uint32_t) <= kMaxRuntimeArgs, "tt-metal's limit");

// Bytes of a slice's place in the scratch memory, and where its parts begin.
struct SliceLayout {
  uint32_t ends;
  uint32_t tokens;
  uint32_t weights;
  uint32_t bytes;
};

constexpr SliceLayout slice_layout(uint32_t num_rows, uint32_t slice, uint32_t weight_bytes) {
  const uint32_t tokens = align_up<uint32_t>((num_rows + 1) * 4, kAlignment);
  const uint32_t weights = tokens + align_up<uint32_t>(slice * 4, kAlignment);
  return {0, tokens, weights, weights + align_up<uint32_t>(slice * weight_bytes, kAlignment)};
}

}  // namespace moe::tt
