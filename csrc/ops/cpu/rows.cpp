#include "ops/cpu/rows.h"

#include <array>

// Compiled for several processors, the best of which is taken when the library is loaded. The loops have no sum whose
// order a wider vector would change.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MOE_FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MOE_FOR_EACH_PROCESSOR
#endif

namespace moe::cpu {
namespace {

template <typename T, typename Sum>
C10_ALWAYS_INLINE void add_scaled_row(Sum* __restrict sums, const T* __restrict row, Sum weight, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    sums[i] += weight * static_cast<Sum>(row[i]);
  }
}

template <typename T, typename Sum>
C10_ALWAYS_INLINE void store_row(T* __restrict row, const Sum* __restrict sums, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    row[i] = static_cast<T>(sums[i]);
  }
}

template <typename Sum, typename T>
C10_ALWAYS_INLINE Sum dot_rows(const T* __restrict a, const T* __restrict b, int64_t size) {
  constexpr int64_t kLanes = 32;
  std::array<Sum, kLanes> lanes{};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<Sum>(a[i + lane]) * static_cast<Sum>(b[i + lane]);
    }
  }
  for (int64_t lane = 0; i < size; ++i, ++lane) {
    lanes[lane] += static_cast<Sum>(a[i]) * static_cast<Sum>(b[i]);
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) {
      lanes[lane] += lanes[lane + half];
    }
  }
  return lanes[0];
}

}  // namespace

// clang-format off
#define MOE_DEFINE_ROWS(T, Sum)                                                                              \
  MOE_FOR_EACH_PROCESSOR void add_scaled(Sum* sums, const T* row, Sum weight, int64_t size) {                \
    add_scaled_row(sums, row, weight, size);                                                                 \
  }                                                                                                          \
  MOE_FOR_EACH_PROCESSOR void store(T* row, const Sum* sums, int64_t size) { store_row(row, sums, size); }   \
  MOE_FOR_EACH_PROCESSOR Sum dot(const T* a, const T* b, int64_t size) { return dot_rows<Sum>(a, b, size); }
// clang-format on

MOE_DEFINE_ROWS(float, float)
MOE_DEFINE_ROWS(c10::BFloat16, float)
MOE_DEFINE_ROWS(c10::Half, float)
MOE_DEFINE_ROWS(double, double)

}  // namespace moe::cpu
