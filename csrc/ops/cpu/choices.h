#pragma once

// What the CPU kernels share: how they read the router's choices, and how they divide work among threads.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include <ATen/Config.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "contract/choices.h"
#include "contract/invalid_id.h"

#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "compile with OpenMP: at::parallel_for is inline, and runs on one thread without"
#endif

namespace moe::cpu {

// Output elements below which a second thread does not pay: ATen's own grain size.
inline constexpr int64_t kGrain = 32768;

// Outputs are filled block by block, so that a block is still in the first-level cache when choices are written over
// it. Larger blocks would fit, but above this size glibc's memset is a string instruction, which takes a tenth longer
// on memory that is touched for the first time and starts slowly on any.
inline constexpr int64_t kBlockBytes = 2 * 1024;

// Fills a block with a constant, which the compiler gives to memset. The last element is written before, by a plain
// store: where it is in a page that is touched for the first time, the fault costs a seventh less than in memset.
template <auto kValue>
void fill_block(decltype(kValue)* begin, int64_t size) {
  if (size > 0) {
    *static_cast<volatile decltype(kValue)*>(begin + size - 1) = kValue;
    std::fill_n(begin, size, kValue);
  }
}

// at::parallel_for over [0, size). Where one thread does all the work it is called directly: the entry of
// at::parallel_for takes longer than the work for one token.
template <typename Work>
void parallel_for(int64_t size, int64_t grain, const Work& work) {
  if (size <= grain) {
    work(0, size);
  } else {
    at::parallel_for(0, size, grain, work);
  }
}

// Ids of every dtype compare as uint64: a negative id becomes a huge one, which is out of range like any other.
// "No expert" is never an expert, even if num_experts is larger than its number.
template <typename Id>
bool is_expert(Id id, int64_t num_experts) {
  return static_cast<uint64_t>(id) < std::min(static_cast<uint64_t>(num_experts), static_cast<uint64_t>(kNoExpert<Id>));
}

// The first position whose id is out of range, over all threads.
class FirstOutOfRange {
 public:
  void record(int64_t position) {
    int64_t first = position_.load(std::memory_order_relaxed);
    while (position < first && !position_.compare_exchange_weak(first, position, std::memory_order_relaxed)) {
    }
  }

  std::optional<int64_t> position() const {
    const int64_t position = position_.load(std::memory_order_relaxed);
    return position == kNowhere ? std::nullopt : std::optional(position);
  }

  template <typename Id>
  void raise_if_any(const char* op, const Id* ids, int64_t top_k, int64_t num_experts) const {
    if (const auto first = position()) {
      TORCH_CHECK_INDEX(
          false, id_out_of_range_message(op, *first, top_k, static_cast<int64_t>(ids[*first]), num_experts));
    }
  }

 private:
  static constexpr int64_t kNowhere = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> position_{kNowhere};
};

// Calls `kernel(top_k)` with a compile-time constant for the numbers of choices that small loops gain most from.
template <typename Kernel>
void dispatch_top_k(int64_t top_k, const Kernel& kernel) {
  switch (top_k) {
    case 1:
      return kernel(std::integral_constant<int64_t, 1>());
    case 2:
      return kernel(std::integral_constant<int64_t, 2>());
    case 4:
      return kernel(std::integral_constant<int64_t, 4>());
    case 8:
      return kernel(std::integral_constant<int64_t, 8>());
    default:
      return kernel(top_k);
  }
}

// Calls `kernel(ids)` with a pointer of the tensor's type.
template <typename Kernel>
void dispatch_ids(const at::Tensor& ids, const Kernel& kernel) {
  switch (ids.scalar_type()) {
    case at::kUInt16:
      return kernel(ids.const_data_ptr<uint16_t>());
    case at::kUInt32:
      return kernel(ids.const_data_ptr<uint32_t>());
    case at::kInt:
      return kernel(ids.const_data_ptr<int32_t>());
    case at::kLong:
      return kernel(ids.const_data_ptr<int64_t>());
    default:
      TORCH_INTERNAL_ASSERT(false, "the arguments were checked");
  }
}

// Calls `kernel(ids, weights)` with pointers of the tensors' types. Kernels only move weights, so weights are unsigned
// integers of their size: no NaN is quieted and no zero loses its sign.
template <typename Kernel>
void dispatch_choices(const at::Tensor& selected_experts, const at::Tensor& routing_weights, const Kernel& kernel) {
  dispatch_ids(selected_experts, [&](const auto* ids) {
    if (routing_weights.element_size() == sizeof(uint16_t)) {
      kernel(ids, static_cast<const uint16_t*>(routing_weights.const_data_ptr()));
    } else {
      kernel(ids, static_cast<const uint32_t*>(routing_weights.const_data_ptr()));
    }
  });
}

}  // namespace moe::cpu
