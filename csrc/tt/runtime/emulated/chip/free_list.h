#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace moe::tt::runtime::emulated {

// Allocates ranges of addresses. Each takes the lowest place where it fits.
class FreeList {
 public:
  FreeList(uint64_t first, uint64_t end);

  // `size` must not be 0.
  std::optional<uint64_t> allocate(uint64_t size);
  void free(uint64_t address, uint64_t size);

  uint64_t free_bytes() const {
    return free_bytes_;
  }
  uint64_t largest() const;

 private:
  std::map<uint64_t, uint64_t> ranges_;  // address to size; no two touch
  uint64_t free_bytes_;
};

}  // namespace moe::tt::runtime::emulated
