#pragma once

// What the host and both kernels of moe::prepare_routing agree on: prepare_routing_few.cpp and
// prepare_routing_many.cpp.

#include <cstdint>

#include "../../contract/prepare_routing.h"
#include "common/args.h"

namespace moe::tt::kernels {

// The tensors of a launch.
enum RoutingTensor : uint32_t {
  kCounts = kFirstOutput,
  kTokenList,
  kWeightList,
  kNumRoutingTensors,
};

// Where common run-time arguments begin. A launch writes the rows [first_row, first_row + num_rows) of the lists.
struct RoutingArgs {
  ChoicesArgs choices;
  InvalidIdArgs invalid_ids;
  DramRangeArgs counts;  // these three from first_row on
  DramRangeArgs tokens;
  DramRangeArgs weights;
  uint32_t first_row;
  uint32_t num_rows;
  uint32_t row_width;
};

// Bytes of L1 for runs of so many elements in all, of so many rows: a run has its place modulo kAlignment.
constexpr uint32_t runs_scratch(uint32_t num_elements, uint32_t num_rows) {
  const uint32_t num_runs = num_rows < num_elements ? num_rows : num_elements;
  return align_up<uint32_t>(num_elements * sizeof(uint32_t), kAlignment) + num_runs * 2 * kAlignment;
}

}  // namespace moe::tt::kernels
