#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::tt::backend {

// Addresses that stand for a device's memory. They are reserved in this process and never accessible: host code that
// follows one gets a segmentation fault, not other data.
class AddressRange {
 public:
  explicit AddressRange(uint64_t size);
  ~AddressRange();
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;

  std::byte* begin() const {
    return begin_;
  }
  uint64_t size() const {
    return size_;
  }
  bool contains(const void* address) const {
    return address >= begin_ && address < begin_ + size_;
  }

 private:
  std::byte* begin_;
  uint64_t size_;
};

}  // namespace moe::tt::backend
