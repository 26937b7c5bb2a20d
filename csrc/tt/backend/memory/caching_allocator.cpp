#include "tt/backend/memory/caching_allocator.h"

#include <array>

#include <c10/util/Exception.h>

#include "tt/backend/device/fork.h"
#include "tt/backend/memory/page_size.h"

namespace moe::tt::backend {
namespace {

using c10::CachingAllocator::format_size;
using c10::CachingAllocator::StatArray;
using c10::CachingAllocator::StatType;

c10::CachingAllocator::Stat& all(StatArray& stats) {
  return stats[static_cast<size_t>(StatType::AGGREGATE)];
}

// Those that this cache keeps.
std::array<StatArray*, 7> counted(c10::CachingDeviceAllocator::DeviceStats& stats) {
  return {
      &stats.allocation,
      &stats.segment,
      &stats.active,
      &stats.allocated_bytes,
      &stats.reserved_bytes,
      &stats.active_bytes,
      &stats.requested_bytes};
}

// A cached buffer may be larger than what is asked for by an eighth.
constexpr uint64_t kSlack = 8;

}  // namespace

MemoryCache::MemoryCache(c10::DeviceIndex index, runtime::Device& device)
    : index_(index), device_(device), addresses_(device.properties().dram_size) {}

void* MemoryCache::allocate(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const uint32_t page_size = page_size_for(bytes, device_.properties().num_cores());
  const uint64_t size = (bytes + page_size - 1) / page_size * page_size;
  auto buffer = take_cached(size, page_size);
  if (buffer == nullptr) {
    buffer = allocate_buffer(size, page_size, bytes);
    all(stats_.segment).increase(1);
    all(stats_.reserved_bytes).increase(buffer->size());
    ++stats_.num_device_alloc;
  }
  // A buffer takes the same addresses in every bank and no other buffer has them, so neither does one share these.
  const uint64_t offset = uint64_t{buffer->address()} * device_.properties().dram_banks;
  TORCH_INTERNAL_ASSERT(offset + buffer->size() <= addresses_.size());
  all(stats_.allocation).increase(1);
  all(stats_.active).increase(1);
  all(stats_.allocated_bytes).increase(buffer->size());
  all(stats_.active_bytes).increase(buffer->size());
  all(stats_.requested_bytes).increase(bytes);
  std::byte* address = addresses_.begin() + offset;
  blocks_.emplace(address, Block{std::move(buffer), bytes});
  return address;
}

void MemoryCache::free(void* address) noexcept {
  if (in_bad_fork()) {
    return;  // Another thread of the parent may have held the lock.
  }
  const std::lock_guard lock(mutex_);
  if (abandoned_) {
    return;
  }
  auto node = blocks_.extract(static_cast<const std::byte*>(address));
  if (node.empty()) {
    return;
  }
  Block& block = node.mapped();
  all(stats_.allocation).decrease(1);
  all(stats_.active).decrease(1);
  all(stats_.allocated_bytes).decrease(block.buffer->size());
  all(stats_.active_bytes).decrease(block.buffer->size());
  all(stats_.requested_bytes).decrease(block.requested);
  const std::pair key(block.buffer->page_size(), block.buffer->size());
  cached_.emplace(key, std::move(block.buffer));
}

void MemoryCache::empty() {
  const std::lock_guard lock(mutex_);
  empty_locked();
}

void MemoryCache::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  blocks_.clear();
  cached_.clear();
}

std::pair<std::shared_ptr<runtime::Buffer>, uint64_t> MemoryCache::find(const void* address) {
  const auto* wanted = static_cast<const std::byte*>(address);
  const std::lock_guard lock(mutex_);
  auto block = blocks_.upper_bound(wanted);
  TORCH_CHECK(block != blocks_.begin(), "no tensor on tt:", static_cast<int>(index_), " has the address ", address);
  --block;
  const uint64_t offset = wanted - block->first;
  TORCH_CHECK(
      offset < block->second.buffer->size(),
      "no tensor on tt:",
      static_cast<int>(index_),
      " has the address ",
      address);
  return {block->second.buffer, offset};
}

std::shared_ptr<runtime::Buffer> MemoryCache::take_cached(uint64_t size, uint32_t page_size) {
  const auto found = cached_.lower_bound({page_size, size});
  if (found == cached_.end() || found->first.first != page_size || found->first.second > size + size / kSlack) {
    return nullptr;
  }
  return std::move(cached_.extract(found).mapped());
}

std::shared_ptr<runtime::Buffer> MemoryCache::allocate_buffer(uint64_t size, uint32_t page_size, uint64_t requested) {
  try {
    return device_.allocate(size, page_size);
  } catch (const runtime::OutOfMemory&) {
    ++stats_.num_alloc_retries;
  }
  empty_locked();
  // Launches under way hold buffers of their own.
  device_.synchronize();
  try {
    return device_.allocate(size, page_size);
  } catch (const runtime::OutOfMemory& error) {
    ++stats_.num_ooms;
    raise_out_of_memory(requested, error.free);
  }
}

void MemoryCache::empty_locked() {
  for (const auto& [key, buffer] : cached_) {
    all(stats_.segment).decrease(1);
    all(stats_.reserved_bytes).decrease(buffer->size());
    ++stats_.num_device_free;
  }
  cached_.clear();
}

void MemoryCache::raise_out_of_memory(uint64_t requested, uint64_t free) {
  TORCH_CHECK_WITH(
      OutOfMemoryError,
      false,
      "tt:",
      static_cast<int>(index_),
      " is out of memory. Tried to allocate ",
      format_size(requested),
      ". Of ",
      format_size(device_.properties().dram_size),
      " of DRAM, ",
      format_size(all(stats_.allocated_bytes).current),
      " are allocated by PyTorch and ",
      format_size(free),
      " are free, in pieces that may be smaller than what was asked for");
}

c10::CachingDeviceAllocator::DeviceStats MemoryCache::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void MemoryCache::reset_accumulated_stats() {
  const std::lock_guard lock(mutex_);
  for (auto* stats : counted(stats_)) {
    all(*stats).reset_accumulated();
  }
  stats_.num_alloc_retries = 0;
  stats_.num_ooms = 0;
  stats_.num_device_alloc = 0;
  stats_.num_device_free = 0;
}

void MemoryCache::reset_peak_stats() {
  const std::lock_guard lock(mutex_);
  for (auto* stats : counted(stats_)) {
    all(*stats).reset_peak();
  }
}

std::pair<uint64_t, uint64_t> MemoryCache::free_and_total() {
  const std::lock_guard lock(mutex_);
  const uint64_t total = device_.properties().dram_size;
  return {total - all(stats_.reserved_bytes).current, total};
}

}  // namespace moe::tt::backend
