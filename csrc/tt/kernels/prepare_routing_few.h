#pragma once

// What the host and the kernel prepare_routing_few.cpp agree on; the kernel's file says what the words mean.

#include <cstdint>

#include "prepare_routing.h"

namespace moe::tt::kernels {

// How a launch's work is divided. Rows are dealt to the cores in turn: so experts that are neighbours, and popular
// together, are not the same core's.
struct RoutingFewPlan {
  uint32_t num_cores_log2;  // that have rows
  uint32_t row_share;       // rows of a core, at most
  uint32_t slice;           // choices that a worker looks through: half of all
};

// What a worker has found for a row: these words of each choice.
enum FoundWord : uint32_t {
  kFoundToken,
  kFoundWeight,  // in the low bits
  kFoundWords,
};

// What a core's workers share, from the beginning of their buffer.
struct RoutingFewShared {
  uint32_t ids;           // of all choices
  uint32_t weights;       // likewise
  uint32_t found;         // lists: for each row of the core one of each worker, the address where it ends, and choices
  uint32_t found_stride;  // bytes from one of these to the next
  uint32_t end;

  static constexpr RoutingFewShared of(const RoutingFewPlan& plan, uint32_t id_size, uint32_t weight_size) {
    RoutingFewShared shared{};
    shared.weights = elements_scratch(kProcessors * plan.slice, id_size);
    shared.found = shared.weights + elements_scratch(kProcessors * plan.slice, weight_size);
    shared.found_stride = (1 + plan.slice * kFoundWords) * sizeof(uint32_t);
    shared.end = shared.found + plan.row_share * kProcessors * shared.found_stride;
    return shared;
  }
};

// Bytes from one of a core's rows to the next in L1: space for a row at its place modulo kAlignment, which is the same
// for all rows of a core where these are a multiple of kAlignment apart.
template <typename Int>
constexpr Int list_row_stride(Int row_width, uint32_t element_size, uint32_t num_cores_log2, PageKind pages) {
  const bool is_same = pages == kRowPages || (element_size << num_cores_log2) % kAlignment == 0;
  return align_up<Int>(row_width * element_size, kAlignment) + (is_same ? 0 : kAlignment);
}

// Where a worker keeps what it works on, from the beginning of its L1.
struct RoutingFewScratch {
  uint32_t rows;          // of choices, where pages are rows
  uint32_t counts;        // kAlignment for each row of the core
  uint32_t list;          // the core's rows of the worker's list
  uint32_t token_stride;  // from one of these to the next, of either list
  uint32_t weight_stride;
  uint32_t end;

  static constexpr RoutingFewScratch of(
      const RoutingFewPlan& plan, uint32_t row_width, uint32_t weight_size, PageKind pages) {
    RoutingFewScratch scratch{};
    scratch.token_stride = list_row_stride<uint32_t>(row_width, sizeof(uint32_t), plan.num_cores_log2, pages);
    scratch.weight_stride = list_row_stride<uint32_t>(row_width, weight_size, plan.num_cores_log2, pages);
    scratch.counts = rows_scratch(pages);
    scratch.list = scratch.counts + plan.row_share * kAlignment;
    const uint32_t most = scratch.token_stride > scratch.weight_stride ? scratch.token_stride : scratch.weight_stride;
    scratch.end = scratch.list + plan.row_share * most + kAlignment;
    return scratch;
  }
};

// The common run-time arguments.
struct RoutingFewArgs {
  RoutingArgs routing;
  RoutingFewPlan plan;
  RoutingFewShared shared;
  RoutingFewScratch scratch;
};
static_assert(
    kNumRuntimeArgs + sizeof(RoutingFewArgs) / sizeof(uint32_t) <= runtime::kMaxRuntimeArgs, "tt-metal's limit");

// Semaphores of a launch.
enum RoutingFewSemaphore : uint32_t {
  kLooked,  // on every core: workers of it that have looked through their choices
  kNumRoutingFewSemaphores,
};

}  // namespace moe::tt::kernels
