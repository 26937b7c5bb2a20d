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

template <typename Memory>
class L1Reference;

template <typename T, typename AddressType = uint32_t>
class CoreLocalMem {
 public:
  using Value = std::remove_cv_t<T>;
  using Element = typename moe::tt::runtime::emulated::L1Element<T>::type;
  // An element, of which it is known whether it is loaded or stored. A class has members, and is a plain reference.
  using Reference = std::conditional_t<std::is_class_v<T>, T&, L1Reference<CoreLocalMem>>;
  using difference_type = std::ptrdiff_t;

  CoreLocalMem(AddressType address)
      : address_(static_cast<uint32_t>(address)), window_(moe::tt::runtime::emulated::this_kernel().window(address_)) {}

  T* get_unsafe_ptr() const {
    return reinterpret_cast<T*>(&use(0, Access::kPointer));
  }
  AddressType get_address() const {
    return address_;
  }

  [[gnu::always_inline]] Reference operator[](uint32_t index) const {
    if constexpr (std::is_class_v<T>) {
      return use(index, Access::kTouch);
    } else {
      return Reference(*this, index);
    }
  }
  [[gnu::always_inline]] Reference operator*() const {
    return (*this)[0];
  }
  Element* operator->() const {
    return &use(0, Access::kTouch);
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
  friend class L1Reference<CoreLocalMem>;

  using Access = moe::tt::runtime::emulated::Access;

  [[gnu::always_inline]] Element& use(uint32_t index, Access access) const {
    uint64_t offset = uint64_t{index} * sizeof(T);
    // An address below the window makes the difference huge.
    uint64_t in_window = uint64_t{address_ - window_.address} + offset;
    if (in_window + sizeof(T) > window_.size || address_ % alignof(T) != 0) [[unlikely]] {
      return *reinterpret_cast<Element*>(
          moe::tt::runtime::emulated::this_kernel().use(window_, address_, offset, sizeof(T), alignof(T), access));
    }
    return *reinterpret_cast<Element*>(window_.memory + in_window);
  }

  uint32_t address_;
  moe::tt::runtime::emulated::KernelContext::Window window_;
};

// A number in L1, as a reference to it.
template <typename Memory>
class L1Reference {
 public:
  using Value = typename Memory::Value;

  L1Reference(const Memory& memory, uint32_t index) : memory_(memory), index_(index) {}
  L1Reference(const L1Reference&) = default;

  [[gnu::always_inline]] operator Value() const {
    return memory_.use(index_, Access::kLoad);
  }
  [[gnu::always_inline]] const L1Reference& operator=(Value value) const {
    memory_.use(index_, Access::kStore) = value;
    return *this;
  }
  [[gnu::always_inline]] const L1Reference& operator=(const L1Reference& other) const {
    return *this = static_cast<Value>(other);
  }
  // The same for a reference that may change, of which assignment is otherwise the compiler's.
  [[gnu::always_inline]] L1Reference& operator=(const L1Reference& other) {
    memory_.use(index_, Access::kStore) = static_cast<Value>(other);
    return *this;
  }
  template <typename Number>
  [[gnu::always_inline]] const L1Reference& operator+=(Number number) const {
    typename Memory::Element& element = memory_.use(index_, Access::kUpdate);
    element = static_cast<Value>(element + number);
    return *this;
  }
  template <typename Number>
  [[gnu::always_inline]] const L1Reference& operator-=(Number number) const {
    return *this += -number;
  }
  [[gnu::always_inline]] const L1Reference& operator++() const {
    return *this += 1;
  }
  [[gnu::always_inline]] const L1Reference& operator--() const {
    return *this -= 1;
  }
  [[gnu::always_inline]] Value operator++(int) const {
    typename Memory::Element& element = memory_.use(index_, Access::kUpdate);
    const Value value = element;
    element = static_cast<Value>(value + 1);
    return value;
  }

 private:
  using Access = moe::tt::runtime::emulated::Access;

  const Memory memory_;
  const uint32_t index_;
};
