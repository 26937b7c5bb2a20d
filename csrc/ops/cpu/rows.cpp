#include "ops/cpu/rows.h"

#include <array>

// Compiled for several processors, the best of which is taken when the library is loaded: too early for
// ThreadSanitizer. The loops have no sum whose order a wider vector would change.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define MOE_FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MOE_FOR_EACH_PROCESSOR
#endif

namespace moe::cpu {
namespace {

// Elements of a row that are summed at once, in registers.
constexpr int64_t kColumns = 64;

template <typename Sum, typename T>
C10_ALWAYS_INLINE void sum_columns(T* sum, const Term<T>* terms, int64_t num_terms, int64_t first) {
  Sum sums[kColumns] = {};
  for (int64_t term = 0; term < num_terms; ++term) {
    const T* const row = terms[term].row + first;
    const Sum weight = terms[term].weight;
    // In two loops, for GCC would run one of them for two terms at once, and not with vectors.
    Sum numbers[kColumns];
    for (int64_t i = 0; i < kColumns; ++i) {
      numbers[i] = static_cast<Sum>(row[i]);
    }
    for (int64_t i = 0; i < kColumns; ++i) {
      sums[i] += weight * numbers[i];
    }
  }
  for (int64_t i = 0; i < kColumns; ++i) {
    sum[first + i] = static_cast<T>(sums[i]);
  }
}

template <typename Sum, typename T>
C10_ALWAYS_INLINE void sum_all_columns(T* sum, const Term<T>* terms, int64_t num_terms, int64_t size) {
  int64_t first = 0;
  for (; first + kColumns <= size; first += kColumns) {
    sum_columns<Sum>(sum, terms, num_terms, first);
  }
  for (; first < size; ++first) {
    Sum last = 0;
    for (int64_t term = 0; term < num_terms; ++term) {
      last += terms[term].weight * static_cast<Sum>(terms[term].row[first]);
    }
    sum[first] = static_cast<T>(last);
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
  MOE_FOR_EACH_PROCESSOR void sum_terms(T* sum, const Term<T>* terms, int64_t num_terms, int64_t size) {     \
    sum_all_columns<Sum>(sum, terms, num_terms, size);                                                       \
  }                                                                                                          \
  MOE_FOR_EACH_PROCESSOR Sum dot(const T* a, const T* b, int64_t size) { return dot_rows<Sum>(a, b, size); }
// clang-format on

MOE_DEFINE_ROWS(float, float)
MOE_DEFINE_ROWS(c10::BFloat16, float)
MOE_DEFINE_ROWS(c10::Half, float)
MOE_DEFINE_ROWS(double, double)

}  // namespace moe::cpu
