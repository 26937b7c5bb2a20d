#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include "tt/backend/memory/address_range.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::backend {

// The memory of one device's tensors, as addresses that stand for it. A freed buffer is kept for the next request of
// about its size, at once: the device has one in-order queue, so earlier launches are done with the buffer before its
// next owner's bytes arrive. One that a graph launches on is kept for when the graph is gone.
class DeviceCachingAllocator {
 public:
  DeviceCachingAllocator(c10::DeviceIndex index, runtime::Device& device);

  // Throws c10::OutOfMemoryError.
  void* allocate(uint64_t bytes);
  // An address for memory that something else has allocated and `lender` keeps, until the address is freed.
  void* adopt(std::shared_ptr<runtime::Buffer> buffer, std::shared_ptr<void> lender);
  // Who keeps the memory that begins at an address; null if it is the device's own.
  std::shared_ptr<void> lender_of(const void* address);
  // Lets go of every lender; nothing is at their addresses any more.
  void return_adopted();
  // Does nothing in a forked child and after abandon().
  void free(void* address) noexcept;
  // Returns the cached buffers to the device.
  void empty_cache();
  // Drops every buffer, for the device is closing.
  void abandon() noexcept;

  bool contains(const void* address);
  // The buffer that an address lies in with the address's offset in it, and how many of the bytes from there on were
  // asked for; those behind them are nobody's. Throws if no tensor is there.
  std::pair<runtime::BufferSpan, uint64_t> find(const void* address);

  c10::CachingDeviceAllocator::DeviceStats stats();
  void reset_accumulated_stats();
  void reset_peak_stats();
  // Bytes of DRAM: those that nothing takes, in this process or, where ttnn shares the chip, in ttnn; and all.
  std::pair<uint64_t, uint64_t> free_and_total();

 private:
  struct Block {
    std::shared_ptr<runtime::Buffer> buffer;
    uint64_t requested = 0;
    // Of adopted memory. Its addresses are its own, for it may be adopted twice.
    std::unique_ptr<AddressRange> addresses = nullptr;
    std::shared_ptr<void> lender = nullptr;
    bool is_freed = false;  // adopted memory that a graph still has
  };

  using Blocks = std::map<const std::byte*, Block>;

  // What a buffer takes of all banks together.
  uint64_t taken_by(const runtime::Buffer& buffer) const;
  std::shared_ptr<runtime::Buffer> take_cached(uint64_t size, uint32_t page_size);
  std::shared_ptr<runtime::Buffer> allocate_buffer(uint64_t size, uint32_t page_size, uint64_t requested);
  void empty_cache_locked();
  // Takes out the freed blocks of adopted memory that no graph has any more.
  void take_freed(Blocks& returned);
  [[noreturn]] void raise_out_of_memory(uint64_t requested, uint64_t free);

  const c10::DeviceIndex index_;
  runtime::Device& device_;
  const AddressRange addresses_;

  std::mutex mutex_;  // guards the members below
  Blocks blocks_;
  std::multimap<std::pair<uint32_t, uint64_t>, std::shared_ptr<runtime::Buffer>> cached_;  // by page size and size
  c10::CachingDeviceAllocator::DeviceStats stats_;
  bool abandoned_ = false;
};

// PyTorch's allocator for tt: it allocates on the current device, which it opens, and returns each address to the
// device that it belongs to.
c10::DeviceAllocator* allocator();

}  // namespace moe::tt::backend
