#include "tt/backend/memory/caching_allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <limits>

#include <c10/util/Exception.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/device_span.h"
#include "tt/kernels/common/args.h"
#include "tt/support/math.h"

namespace moe::tt::backend {
namespace {

using c10::CachingAllocator::format_size;
using c10::CachingAllocator::StatArray;
using c10::CachingAllocator::StatType;

c10::CachingAllocator::Stat& all(StatArray& stats) {
  return stats[static_cast<size_t>(StatType::AGGREGATE)];
}

// The statistics that are kept.
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

// A cached buffer serves a request if it is larger by at most an eighth.
constexpr uint64_t kSlack = 8;

// Pages of 64 bytes would take four times the cores for a small map, and save 2 % of the clocks.
constexpr uint64_t kMinPageSize = 256;

// The page size of a buffer of so many bytes. Kernels divide their work by pages: if the limits allow it, there is
// about one page for each processor, and not more, since every page costs a transfer.
uint32_t page_size_for(uint64_t bytes, uint32_t num_cores) {
  const uint64_t workers = uint64_t{num_cores} * kernels::kProcessors;
  const uint64_t share = (bytes + workers - 1) / workers;
  return static_cast<uint32_t>(std::clamp<uint64_t>(std::bit_ceil(share), kMinPageSize, kernels::kMaxPageSize));
}

}  // namespace

DeviceCachingAllocator::DeviceCachingAllocator(c10::DeviceIndex index, runtime::Device& device)
    : index_(index), device_(device), addresses_(device.properties().dram_size) {}

void* DeviceCachingAllocator::allocate(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const uint32_t page_size = page_size_for(bytes, device_.properties().num_cores());
  const uint64_t size = round_up(bytes, page_size);
  auto buffer = take_cached(size, page_size);
  if (buffer == nullptr) {
    buffer = allocate_buffer(size, page_size, bytes);
    all(stats_.segment).increase(1);
    all(stats_.reserved_bytes).increase(taken_by(*buffer));
    ++stats_.num_device_alloc;
  }
  // A buffer has the same addresses in every bank and shares them with no other, so the address of its bytes in all
  // banks together is its own too.
  const uint64_t offset = uint64_t{buffer->address()} * device_.properties().dram_banks;
  TORCH_INTERNAL_ASSERT(offset + buffer->size() <= addresses_.size());
  all(stats_.allocation).increase(1);
  all(stats_.active).increase(1);
  all(stats_.allocated_bytes).increase(taken_by(*buffer));
  all(stats_.active_bytes).increase(taken_by(*buffer));
  all(stats_.requested_bytes).increase(bytes);
  std::byte* address = addresses_.begin() + offset;
  blocks_.emplace(address, Block{std::move(buffer), bytes});
  return address;
}

void* DeviceCachingAllocator::adopt(std::shared_ptr<runtime::Buffer> buffer, std::shared_ptr<void> lender) {
  const uint64_t size = buffer->size();
  auto addresses = std::make_unique<AddressRange>(size);
  std::byte* const address = addresses->begin();
  const std::lock_guard lock(mutex_);
  blocks_.emplace(address, Block{std::move(buffer), size, std::move(addresses), std::move(lender)});
  return address;
}

std::shared_ptr<void> DeviceCachingAllocator::lender_of(const void* address) {
  const std::lock_guard lock(mutex_);
  const auto block = blocks_.find(static_cast<const std::byte*>(address));
  return block == blocks_.end() ? nullptr : block->second.lender;
}

void DeviceCachingAllocator::return_adopted() {
  Blocks returned;  // destroyed after the lock is gone, as in free()
  const std::lock_guard lock(mutex_);
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto next = std::next(block);
    if (block->second.addresses != nullptr) {
      returned.insert(blocks_.extract(block));
    }
    block = next;
  }
}

bool DeviceCachingAllocator::contains(const void* address) {
  if (addresses_.contains(address)) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  const auto next = blocks_.upper_bound(static_cast<const std::byte*>(address));
  const Block* const block = next == blocks_.begin() ? nullptr : &std::prev(next)->second;
  return block != nullptr && block->addresses != nullptr && block->addresses->contains(address);
}

void DeviceCachingAllocator::free(void* address) noexcept {
  if (in_bad_fork()) {
    return;  // Another thread of the parent may have held the lock.
  }
  // Destroyed after the lock is gone: letting go of a lender may run any code.
  Blocks returned;
  const std::lock_guard lock(mutex_);
  if (abandoned_) {
    return;
  }
  const auto found = blocks_.find(static_cast<const std::byte*>(address));
  if (found == blocks_.end()) {
    return;
  }
  if (found->second.addresses != nullptr) {
    found->second.is_freed = true;
    take_freed(returned);
    return;
  }
  const auto node = blocks_.extract(found);
  Block& block = node.mapped();
  all(stats_.allocation).decrease(1);
  all(stats_.active).decrease(1);
  all(stats_.allocated_bytes).decrease(taken_by(*block.buffer));
  all(stats_.active_bytes).decrease(taken_by(*block.buffer));
  all(stats_.requested_bytes).decrease(block.requested);
  const std::pair key(block.buffer->page_size(), block.buffer->size());
  cached_.emplace(key, std::move(block.buffer));
}

// The lender of a graph's memory keeps it until the graph is gone.
void DeviceCachingAllocator::take_freed(Blocks& returned) {
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto next = std::next(block);
    if (block->second.is_freed && !block->second.buffer->is_captured()) {
      returned.insert(blocks_.extract(block));
    }
    block = next;
  }
}

void DeviceCachingAllocator::empty_cache() {
  Blocks returned;  // destroyed after the lock is gone, as in free()
  const std::lock_guard lock(mutex_);
  take_freed(returned);
  empty_cache_locked();
}

void DeviceCachingAllocator::abandon() noexcept {
  Blocks blocks;  // destroyed after the lock is gone, as in free()
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  blocks.swap(blocks_);
  cached_.clear();
}

std::pair<runtime::BufferSpan, uint64_t> DeviceCachingAllocator::find(const void* address) {
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
  return {{block->second.buffer, offset}, block->second.requested - std::min(offset, block->second.requested)};
}

// The same range of addresses in every bank, also in those that have a page less.
uint64_t DeviceCachingAllocator::taken_by(const runtime::Buffer& buffer) const {
  const uint64_t banks = device_.properties().dram_banks;
  return round_up(buffer.size(), banks * buffer.page_size());
}

std::shared_ptr<runtime::Buffer> DeviceCachingAllocator::take_cached(uint64_t size, uint32_t page_size) {
  const auto end = cached_.upper_bound({page_size, size + size / kSlack});
  const auto found = std::find_if(
      cached_.lower_bound({page_size, size}), end, [](const auto& entry) { return !entry.second->is_captured(); });
  return found == end ? nullptr : std::move(cached_.extract(found).mapped());
}

std::shared_ptr<runtime::Buffer> DeviceCachingAllocator::allocate_buffer(
    uint64_t size, uint32_t page_size, uint64_t requested) {
  try {
    return device_.allocate(size, page_size);
  } catch (const runtime::OutOfMemory&) {
    ++stats_.num_alloc_retries;
  }
  empty_cache_locked();
  // Launches under way keep their buffers until they end.
  if (!device_.is_capturing()) {
    device_.synchronize();
  }
  try {
    return device_.allocate(size, page_size);
  } catch (const runtime::OutOfMemory& error) {
    ++stats_.num_ooms;
    raise_out_of_memory(requested, error.free);
  }
}

void DeviceCachingAllocator::empty_cache_locked() {
  std::erase_if(cached_, [&](const auto& entry) {
    const runtime::Buffer& buffer = *entry.second;
    if (buffer.is_captured()) {
      return false;
    }
    all(stats_.segment).decrease(1);
    all(stats_.reserved_bytes).decrease(taken_by(buffer));
    ++stats_.num_device_free;
    return true;
  });
}

void DeviceCachingAllocator::raise_out_of_memory(uint64_t requested, uint64_t free) {
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

c10::CachingDeviceAllocator::DeviceStats DeviceCachingAllocator::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void DeviceCachingAllocator::reset_accumulated_stats() {
  const std::lock_guard lock(mutex_);
  for (auto* stats : counted(stats_)) {
    all(*stats).reset_accumulated();
  }
  stats_.num_alloc_retries = 0;
  stats_.num_ooms = 0;
  stats_.num_device_alloc = 0;
  stats_.num_device_free = 0;
}

void DeviceCachingAllocator::reset_peak_stats() {
  const std::lock_guard lock(mutex_);
  for (auto* stats : counted(stats_)) {
    all(*stats).reset_peak();
  }
}

std::pair<uint64_t, uint64_t> DeviceCachingAllocator::free_and_total() {
  return {device_.dram_usage().free, device_.properties().dram_size};
}

namespace {

void free_memory(void* address) {
  if (in_bad_fork()) {
    return;  // Another thread of the parent may have held a lock on the way.
  }
  if (TorchDevice* device = find_device_of(address)) {
    device->caching_allocator().free(address);
  }
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK(
        bytes <= std::numeric_limits<ptrdiff_t>::max(),
        "expected to allocate 0 bytes or more on tt, got ",
        static_cast<ptrdiff_t>(bytes));
    const c10::DeviceIndex index = current_device();
    void* address = nullptr;
    if (bytes > 0) {
      TorchDevice& device = open_device(index);
      device.check_usable();
      address = device.caching_allocator().allocate(bytes);
    }
    return {address, address, &free_memory, c10::Device(c10::kPrivateUse1, index)};
  }

  c10::DeleterFnPtr raw_deleter() const override {
    return &free_memory;
  }

  void copy_data(void* destination, const void* source, size_t size) const override {
    copy_bytes(source, destination, size);
  }

  bool initialized() override {
    return !open_devices().empty();
  }

  void emptyCache(c10::MempoolId_t) override {
    check_not_forked();
    for (TorchDevice* device : open_devices()) {
      device->caching_allocator().empty_cache();
    }
  }

  // A device has one in-order queue: no other stream uses the memory.
  void recordStream(const c10::DataPtr&, c10::Stream) override {}

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    TorchDevice* device = find(index);
    return device == nullptr ? c10::CachingDeviceAllocator::DeviceStats{} : device->caching_allocator().stats();
  }

  void resetAccumulatedStats(c10::DeviceIndex index) override {
    if (TorchDevice* device = find(index)) {
      device->caching_allocator().reset_accumulated_stats();
    }
  }

  void resetPeakStats(c10::DeviceIndex index) override {
    if (TorchDevice* device = find(index)) {
      device->caching_allocator().reset_peak_stats();
    }
  }

  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    return open_device(index).caching_allocator().free_and_total();
  }

 private:
  static TorchDevice* find(c10::DeviceIndex index) {
    check_not_forked();
    check_device_index(index);
    return find_open_device(index);
  }
};

}  // namespace

c10::DeviceAllocator* allocator() {
  static auto* const instance = new Allocator;
  return instance;
}

}  // namespace moe::tt::backend
