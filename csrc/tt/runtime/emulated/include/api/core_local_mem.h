#pragma once

// tt-metal's CoreLocalMem on the host: a pointer into the L1 of the core that runs the kernel. An L1 address is a
// number that is the same on every core. This class turns it into host memory and finds accesses outside the program's
// regions. It has the operators that kernels use.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tt/runtime/emulated/kernel/kernel_context.h"

namespace moe::tt::runtime::emulated {

// The bytes of L1 have no type of their own. Kernels access the same bytes as words, halves and bytes.
template <typename T, bool kIsClass = std::is_class_v<T>>
struct L1Element {
  using type [[gnu::may_alias]] = T;
};
template <typename T>
struct L1Element<T, true> {
  using type = T;  // a class takes no attribute after its definition; kernels' classes have it in theirs
};

}  // namespace moe::tt::runtime::emulated

template <typename T, typename AddressType = uint32_t>
class CoreLocalMem {
 public:
  using Element = typename moe::tt::runtime::emulated::L1Element<T>::type;
  using difference_type = std::ptrdiff_t;

  CoreLocalMem(AddressType address)
      : address_(static_cast<uint32_t>(address)), window_(moe::tt::runtime::emulated::this_kernel().window(address_)) {}

  T* get_unsafe_ptr() const {
    return reinterpret_cast<T*>(&(*this)[0]);
  }
  AddressType get_address() const {
    return address_;
  }

  Element& operator[](uint32_t index) const {
    uint64_t offset = uint64_t{index} * sizeof(T);
    // An address below the window makes the difference huge.
    uint64_t in_window = uint64_t{address_ - window_.address} + offset;
    if (in_window + sizeof(T) > window_.size || address_ % alignof(T) != 0) [[unlikely]] {
      moe::tt::runtime::emulated::this_kernel().fail_access(address_, offset, sizeof(T), alignof(T));
    }
    return *reinterpret_cast<Element*>(window_.memory + in_window);
  }
  Element& operator*() const {
    return (*this)[0];
  }
  Element* operator->() const {
    return &(*this)[0];
  }

  CoreLocalMem& operator+=(difference_type count) {
    address_ += static_cast<uint32_t>(count * static_cast<difference_type>(sizeof(T)));
    return *this;
  }
  CoreLocalMem& operator++() {
    return *this += 1;
  }
  CoreLocalMem operator+(difference_type count) const {
    CoreLocalMem moved = *this;
    return moved += count;
  }

  bool operator<(const CoreLocalMem& other) const {
    return address_ < other.address_;
  }

 private:
  uint32_t address_;
  moe::tt::runtime::emulated::KernelContext::Window window_;
};
