#pragma once

// What the host that launches a kernel and the kernel itself must agree on. C++17, for the chip's compiler too.

#include <cstdint>

namespace moe::tt::kernels {

// The largest dram_alignment of all chips. Host and kernels align to it everywhere, which suits every chip.
inline constexpr uint32_t kAlignment = 64;

template <typename Int>
constexpr Int align_up(Int value, uint32_t alignment) {
  return (value + (alignment - 1)) / alignment * alignment;
}

// A page is one packet on the NoC of any chip.
inline constexpr uint32_t kMaxPageSize = 4096;

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
  uint32_t first_page;
  uint32_t first_byte;  // within that page
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
  uint32_t num_pages;
  uint32_t num_workers;
  uint32_t chunk;        // choices that a worker holds at a time
  uint32_t block_pages;  // pages that it builds at a time
};

// L1. What arrives from DRAM needs kAlignment more than its bytes, for its place modulo kAlignment.

constexpr uint32_t elements_room(uint32_t count, uint32_t bytes) {
  return align_up<uint32_t>(count * bytes, kAlignment) + kAlignment;
}

constexpr uint32_t choices_room(uint32_t count, uint32_t id_bytes, uint32_t weight_bytes) {
  return elements_room(count, id_bytes) + elements_room(count, weight_bytes);
}

// A slice's choices for a block: where the records of each row begin, and where the last row's end, and then the
// records, sorted by row. Each core of the team has a copy at the same address, in the circular buffer that its workers
// share.
inline constexpr uint32_t kSharedBuffer = kProcessors;

enum RecordWord : uint32_t {
  kRecordToken,
  kRecordWeight,  // in the low bits
  kRecordWords,
};
inline constexpr uint32_t kRecordBytes = kRecordWords * sizeof(uint32_t);

constexpr uint32_t slice_table_bytes(uint32_t num_rows) {
  return (num_rows + 1) * static_cast<uint32_t>(sizeof(uint32_t));
}

constexpr uint32_t slice_bytes(uint32_t num_rows, uint32_t slice) {
  return align_up<uint32_t>(slice_table_bytes(num_rows) + slice * kRecordBytes, kAlignment);
}

// While a round's slices are written to the rows, those of the next one arrive.
inline constexpr uint32_t kSliceBuffers = 2;

// A routing worker writes at most so many elements of a row at a time, from one of so many places.
inline constexpr uint32_t kPiece = 128;
inline constexpr uint32_t kPieces = 16;

// What a routing worker keeps in its own circular buffer, one after the other.
struct RoutingRoom {
  uint32_t choices;       // of a slice
  uint32_t found;         // those of them that are for the block: a word each
  uint32_t padding_page;  // of its list
  uint32_t pieces;
  uint32_t counts;        // a word for each row
  uint32_t round_counts;  // the same
  uint32_t end;
};

constexpr RoutingRoom routing_room(uint32_t num_rows, uint32_t slice, uint32_t id_bytes, uint32_t weight_bytes) {
  RoutingRoom room{};
  room.found = choices_room(slice, id_bytes, weight_bytes);
  room.padding_page = room.found + elements_room(slice, sizeof(uint32_t));
  room.pieces = room.padding_page + kMaxPageSize;
  room.counts = room.pieces + kPieces * elements_room(kPiece, sizeof(uint32_t));
  room.round_counts = room.counts + elements_room(num_rows, sizeof(uint32_t));
  room.end = room.round_counts + elements_room(num_rows, sizeof(uint32_t));
  return room;
}

// The rows of the experts [first_expert, first_expert + num_rows) are divided into blocks, each of them the work of a
// team of cores. In a round, each worker of a team takes a slice of the choices.
struct RoutingArgs {
  ChoicesArgs choices;
  FaultArgs faults;
  FlatArgs counts;
  FlatArgs tokens;
  FlatArgs weights;
  uint32_t first_expert;
  uint32_t num_rows;
  uint32_t num_teams;
  uint32_t team_rows;  // of a block; the last one may have fewer
  uint32_t team_cores;
  uint32_t slice;
  uint32_t slice_stride;  // bytes from one to the next in L1
  uint32_t num_rounds;
  RoutingRoom room;
};

// After them comes a word for every core of the launch: its NoC coordinates, as x << 16 | y.
inline constexpr uint32_t kRoutingCoordinates = sizeof(RoutingArgs) / sizeof(uint32_t);

// Semaphores of a routing launch.
enum RoutingSemaphore : uint32_t {
  kSent,  // on every core: slices that have come to it, in all rounds
  kNumRoutingSemaphores,
};

// tt-metal's limit of run-time arguments, of a core and common ones together.
inline constexpr uint32_t kMaxRuntimeArgs = 341;
static_assert(kNumRuntimeArgs + sizeof(MappingArgs) / sizeof(uint32_t) <= kMaxRuntimeArgs, "tt-metal's limit");

// Of any chip.
inline constexpr uint32_t kMaxCores = 256;
static_assert(kNumRuntimeArgs + kRoutingCoordinates + kMaxCores <= kMaxRuntimeArgs, "tt-metal's limit");

}  // namespace moe::tt::kernels
