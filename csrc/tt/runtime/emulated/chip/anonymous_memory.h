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

  // Makes a range zeros again, and gives its whole pages back to the host.
  void clear(uint64_t offset, uint64_t size);
  void clear() {
    clear(0, size_);
  }

  std::byte* data() const {
    return data_;
  }

 private:
  std::byte* data_;
  uint64_t size_;
};

}  // namespace moe::tt::runtime::emulated
