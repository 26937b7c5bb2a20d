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

// The memory of one device, as opaque addresses. Freed buffers are kept for the next request of about their size. They
// need no waiting: the device has one in-order queue, so what was launched before is over when the next owner's bytes
// arrive.
class MemoryCache {
 public:
  MemoryCache(c10::DeviceIndex index, runtime::Device& device);

  // Throws c10::OutOfMemoryError.
  void* allocate(uint64_t bytes);
  // Does nothing in a forked child and after abandon().
  void free(void* address) noexcept;
  // Gives up what is cached.
  void empty();
  // The device is closing: everything is forgotten.
  void abandon() noexcept;

  bool contains(const void* address) const {
    return addresses_.contains(address);
  }
  // The buffer that an address lies in, and the address's offset there.
  std::pair<std::shared_ptr<runtime::Buffer>, uint64_t> find(const void* address);

  c10::CachingDeviceAllocator::DeviceStats stats();
  void reset_accumulated_stats();
  void reset_peak_stats();
  // Bytes: those that no buffer takes, and all.
  std::pair<uint64_t, uint64_t> free_and_total();

 private:
  struct Block {
    std::shared_ptr<runtime::Buffer> buffer;
    uint64_t requested = 0;
  };

  std::shared_ptr<runtime::Buffer> take_cached(uint64_t size, uint32_t page_size);
  std::shared_ptr<runtime::Buffer> allocate_buffer(uint64_t size, uint32_t page_size, uint64_t requested);
  void empty_locked();
  [[noreturn]] void raise_out_of_memory(uint64_t requested, uint64_t free);

  const c10::DeviceIndex index_;
  runtime::Device& device_;
  const AddressRange addresses_;

  std::mutex mutex_;
  std::map<const std::byte*, Block> blocks_;
  std::multimap<std::pair<uint32_t, uint64_t>, std::shared_ptr<runtime::Buffer>> cached_;  // by page size and size
  c10::CachingDeviceAllocator::DeviceStats stats_;
  bool abandoned_ = false;
};

}  // namespace moe::tt::backend
