#pragma once

// What the plans of both of the routing's kernels know, and how they are compared.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>

#include "tt/kernels/common/args.h"
#include "tt/launch/arguments.h"
#include "tt/launch/launch.h"

namespace moe::tt::launch {

struct RoutingProblem {
  uint32_t num_choices;  // T * K
  uint32_t top_k;        // K
  uint32_t choice_rows;  // that choices may go to
  uint32_t num_rows;     // padding rows among them
  uint32_t max_launch_rows;
  uint32_t row_width;
  uint32_t id_size;
  uint32_t weight_size;
  kernels::PageKind pages;
  uint32_t id_page_size;  // these two where pages are flat
  uint32_t weight_page_size;

  // A worker takes a multiple of so many choices: whole rows are read with fewer instructions.
  uint32_t unit() const {
    return pages == kernels::kRowPages ? top_k : 1;
  }
  // Reads of so many choices' ids and weights: of pages, or of all rows in a bank.
  float reads(uint32_t choices) const {
    if (pages == kernels::kRowPages) {
      return static_cast<float>(2 * std::min(count_of(choices, top_k), kBanks));
    }
    return static_cast<float>(choices) * (static_cast<float>(id_size) / static_cast<float>(id_page_size) +
                                          static_cast<float>(weight_size) / static_cast<float>(weight_page_size));
  }
  // Choices that are copied to their places, where pages are rows. A row takes as long as so many choices more.
  float unpacked(uint32_t choices) const {
    return pages == kernels::kRowPages ? static_cast<float>(choices + 9 * count_of(choices, top_k)) : 0;
  }

 private:
  static constexpr uint32_t kBanks = 12;  // of DRAM: about as many as chips have
};

struct RoutingLimits {
  bool is_blackhole;
  uint32_t num_cores;
  L1Shares l1;
};

// A step of a kernel, and the clocks that a worker takes for it.
struct RoutingStep {
  const char* name;
  float wormhole;
  float blackhole;

  float clocks(bool is_blackhole) const {
    return is_blackhole ? blackhole : wormhole;
  }
};

template <size_t kNumSteps>
using RoutingSteps = std::array<RoutingStep, kNumSteps>;

// How often the slowest worker takes each of them.
template <size_t kNumSteps>
using RoutingStepCounts = std::array<float, kNumSteps>;

template <size_t kNumSteps>
float clocks_of(
    const RoutingStepCounts<kNumSteps>& counts, const RoutingSteps<kNumSteps>& steps, const RoutingLimits& limits) {
  return std::transform_reduce(
      counts.begin(), counts.end(), steps.begin(), 0.0F, std::plus(), [&](float count, const RoutingStep& step) {
        return count * step.clocks(limits.is_blackhole);
      });
}

}  // namespace moe::tt::launch
