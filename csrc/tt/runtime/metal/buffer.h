#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <tt-metalium/mesh_buffer.hpp>

#include "tt/runtime/metal/open_chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::metal {

// What of a chip's DRAM is taken, by whomever.
DramUsage dram_usage_of(const metalium::Allocator& allocator);

// Interleaved DRAM.
class MetalBuffer final : public Buffer, public ChipResource {
 public:
  // Throws OutOfMemory.
  MetalBuffer(const std::shared_ptr<OpenChip>& chip, uint64_t size, uint32_t page_size);
  // A view of whole pages that something else has allocated.
  MetalBuffer(const std::shared_ptr<OpenChip>& chip, uint32_t address, uint64_t size, uint32_t page_size);
  ~MetalBuffer() override {
    unregister();
  }

  const void* owner() const override {
    return &chip();
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

  // Any bytes of it, within OpenChip::use.
  void write(MeshDevice& device, uint64_t offset, std::span<const std::byte> source, RestOfPage rest);
  void read(MeshDevice& device, uint64_t offset, std::span<std::byte> destination);

 private:
  using MeshBuffer = metalium::distributed::MeshBuffer;

  // The pages [begin, end), of which the first one is in bank 0.
  std::shared_ptr<MeshBuffer> view(MeshDevice& device, uint64_t begin, uint64_t end) const;
  // Splits bytes so that each piece lies within a row of pages, one from each bank, or is made of whole rows, and
  // calls with the beginning of the piece's first row, and the piece's beginning and end.
  template <typename Call>
  void for_each_piece(uint64_t offset, uint64_t size, const Call& call) const;

  void release() override {
    buffer_.reset();
  }
  void leak_after_fork() noexcept override;

  uint64_t size_ = 0;
  uint32_t page_size_ = 0;
  uint32_t address_ = 0;
  uint32_t num_banks_ = 0;
  std::shared_ptr<MeshBuffer> buffer_;  // the allocation; null for a view
};

}  // namespace moe::tt::runtime::metal
