#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "tt/runtime/emulated/chip/anonymous_memory.h"
#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/free_list.h"
#include "tt/runtime/process.h"
#include "tt/runtime/runtime.h"
#include "tt/support/math.h"

namespace moe::tt::runtime::emulated {

class DramBuffer;

// The DRAM banks of a device. A buffer has the same range of addresses in every bank.
class Dram : public std::enable_shared_from_this<Dram> {
 public:
  // `tracks` says whether it keeps which bytes were written.
  Dram(const Chip& chip, bool tracks);

  std::shared_ptr<DramBuffer> allocate(uint64_t size, uint32_t page_size);

  std::byte* at(uint32_t bank, uint64_t address) const {
    return memory_->data() + bank * bank_size_ + address;
  }

  // For memory that at() has given, a byte for each of its bytes: 1 if somebody wrote it since its buffer was
  // allocated, and 0 if nobody did. Only if it tracks.
  uint8_t* written(const std::byte* memory) const {
    return reinterpret_cast<uint8_t*>(written_->data()) + (memory - memory_->data());
  }

  // Copy bytes of a buffer to and from the host, which sees its pages in order.
  void write(const DramBuffer& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) const;
  void read(const DramBuffer& buffer, uint64_t offset, std::span<std::byte> destination) const;

  DramUsage usage();

  uint32_t banks() const {
    return banks_;
  }

  // Returns the memory to the host. Buffers that still exist keep their addresses but may no longer be accessed.
  void close();

 private:
  friend class DramBuffer;

  void free(const DramBuffer& buffer);
  DramUsage usage_locked() const;
  template <typename Copy>
  void for_each_page(const DramBuffer& buffer, uint64_t offset, uint64_t size, const Copy& copy) const;

  Process process_;
  uint32_t banks_;
  uint32_t alignment_;
  uint64_t bank_size_;
  std::unique_ptr<AnonymousMemory> memory_;
  std::unique_ptr<AnonymousMemory> written_;
  std::mutex mutex_;  // of free_list_
  FreeList free_list_;
};

class DramBuffer : public Buffer {
 public:
  DramBuffer(std::shared_ptr<Dram> dram, uint32_t address, uint64_t size, uint32_t page_size)
      : dram_(std::move(dram)), address_(address), size_(size), page_size_(page_size) {}
  ~DramBuffer() override;

  const void* owner() const override {
    return dram_.get();
  }
  uint32_t address() const override {
    return address_;
  }
  uint64_t size() const override {
    return size_;
  }
  uint32_t page_size() const override {
    return page_size_;
  }

  uint64_t num_pages() const {
    return size_ / page_size_;
  }
  // The bytes that it occupies in every bank, also in one that has a page less than the others.
  uint64_t bank_bytes() const {
    return div_up(num_pages(), dram_->banks()) * page_size_;
  }
  const Dram* dram() const {
    return dram_.get();
  }

 private:
  std::shared_ptr<Dram> dram_;
  uint32_t address_;
  uint64_t size_;
  uint32_t page_size_;
};

}  // namespace moe::tt::runtime::emulated
