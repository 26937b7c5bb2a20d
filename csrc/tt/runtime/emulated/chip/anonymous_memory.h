#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::tt::runtime::emulated {

// Zeroed memory of the host. A page of it costs nothing until it is touched.
class AnonymousMemory {
 public:
  explicit AnonymousMemory(uint64_t size);
  ~AnonymousMemory();
  AnonymousMemory(const AnonymousMemory&) = delete;
  AnonymousMemory& operator=(const AnonymousMemory&) = delete;

  std::byte* data() const {
    return data_;
  }

 private:
  std::byte* data_;
  uint64_t size_;
};

}  // namespace moe::tt::runtime::emulated
