#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::tt::runtime::emulated {

// Zeroed pages of the host that cost nothing until they are touched.
class Mapping {
 public:
  explicit Mapping(uint64_t size);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const {
    return data_;
  }

 private:
  std::byte* data_;
  uint64_t size_;
};

}  // namespace moe::tt::runtime::emulated
