#include "tt/runtime/emulated/chip/free_list.h"

#include <algorithm>
#include <iterator>

namespace moe::tt::runtime::emulated {

FreeList::FreeList(uint64_t first, uint64_t end) : ranges_{{first, end - first}}, free_bytes_(end - first) {}

std::optional<uint64_t> FreeList::allocate(uint64_t size) {
  auto found = std::ranges::find_if(ranges_, [size](const auto& range) { return range.second >= size; });
  if (found == ranges_.end()) {
    return std::nullopt;
  }
  auto [address, available] = *found;
  ranges_.erase(found);
  if (available > size) {
    ranges_.emplace(address + size, available - size);
  }
  free_bytes_ -= size;
  return address;
}

void FreeList::free(uint64_t address, uint64_t size) {
  free_bytes_ += size;
  auto next = ranges_.lower_bound(address);
  if (next != ranges_.end() && address + size == next->first) {
    size += next->second;
    next = ranges_.erase(next);
  }
  if (next != ranges_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == address) {
      previous->second += size;
      return;
    }
  }
  ranges_.emplace(address, size);
}

uint64_t FreeList::largest() const {
  uint64_t size = 0;
  for (const auto& range : ranges_) {
    size = std::max(size, range.second);
  }
  return size;
}

}  // namespace moe::tt::runtime::emulated
