#pragma once

// Where the system has no memory left, the error says which operator wanted how much, and for which arguments.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>
#include <c10/util/Exception.h>
#include <c10/util/safe_numerics.h>

namespace moe::cpu {

// The system has refused a kernel that memory.
struct NoMemory : std::bad_alloc {
  NoMemory(uint64_t count, uint64_t size) {
    if (c10::mul_overflows(count, size, &bytes)) {
      bytes = std::numeric_limits<uint64_t>::max();
    }
  }

  uint64_t bytes;
};

template <typename T, typename New>
std::unique_ptr<T[]> new_array(int64_t count, const New& make) {
  constexpr uint64_t kMost = std::numeric_limits<ptrdiff_t>::max() / sizeof(T);
  // More would be an error of another kind.
  std::unique_ptr<T[]> array(static_cast<uint64_t>(count) <= kMost ? make(count) : nullptr);
  return array != nullptr ? std::move(array) : throw NoMemory(count, sizeof(T));
}

// So many elements, undefined or zeros. Throws NoMemory.
template <typename T>
std::unique_ptr<T[]> array_for_overwrite(int64_t count) {
  return new_array<T>(count, [](size_t size) { return new (std::nothrow) T[size]; });
}
template <typename T>
std::unique_ptr<T[]> array_of_zeros(int64_t count) {
  return new_array<T>(count, [](size_t size) { return new (std::nothrow) T[size](); });
}

// The bytes that PyTorch's allocator was refused; none if the error is another one.
inline std::optional<std::string> bytes_refused(const std::string& error) {
  constexpr std::string_view kBefore = "you tried to allocate ";
  const auto found = error.find(kBefore);
  if (found == std::string::npos) {
    return std::nullopt;
  }
  const auto begin = found + kBefore.size();
  return error.substr(begin, error.find_first_not_of("0123456789", begin) - begin);
}

inline void describe(std::ostream& text, const at::Tensor& tensor) {
  text << tensor.scalar_type() << tensor.sizes();
}
inline void describe(std::ostream& text, int64_t number) {
  text << number;
}
template <typename T>
void describe(std::ostream& text, const std::optional<T>& value) {
  value.has_value() ? describe(text, *value) : void(text << "None");
}

template <const char* const& kOp, auto kKernel>
struct SayingMemory;

template <const char* const& kOp, typename Return, typename... Args, Return (*kKernel)(Args...)>
struct SayingMemory<kOp, kKernel> {
  static Return call(Args... args) {
    try {
      return kKernel(args...);
    } catch (const NoMemory& error) {
      raise(std::to_string(error.bytes), args...);
    } catch (const c10::Error& error) {
      if (const auto bytes = bytes_refused(error.what_without_backtrace())) {
        raise(*bytes, args...);
      }
      throw;
    }
  }

 private:
  [[noreturn]] static void raise(const std::string& bytes, const Args&... args) {
    std::ostringstream given;
    const char* before = "";
    ((given << std::exchange(before, ", "), describe(given, args)), ...);
    TORCH_CHECK_WITH(
        OutOfMemoryError,
        false,
        kOp,
        ": expected ",
        bytes,
        " bytes more memory for outputs and what leads to them, which the system refuses; got ",
        given.str());
  }
};

// The kernel, with such an error.
template <const char* const& kOp, auto kKernel>
inline constexpr auto saying_memory = &SayingMemory<kOp, kKernel>::call;

}  // namespace moe::cpu
