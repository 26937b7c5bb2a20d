#include "tt/runtime/metal/buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <tt-metalium/allocator.hpp>
#include <tt-metalium/mesh_command_queue.hpp>

#include "tt/support/math.h"

namespace moe::tt::runtime::metal {
namespace {

using metalium::BufferType;
using metalium::distributed::DeviceLocalBufferConfig;
using metalium::distributed::ReplicatedBufferConfig;

DeviceLocalBufferConfig dram_pages(uint32_t page_size) {
  DeviceLocalBufferConfig config;
  config.page_size = page_size;
  config.buffer_type = BufferType::DRAM;
  return config;
}

}  // namespace

DramUsage dram_usage_of(const metalium::Allocator& allocator) {
  const uint64_t banks = allocator.get_num_banks(BufferType::DRAM);
  const auto bank = allocator.get_statistics(BufferType::DRAM);
  return {
      banks, bank.total_allocatable_size_bytes * banks, bank.total_free_bytes * banks, bank.largest_free_block_bytes};
}

MetalBuffer::MetalBuffer(const std::shared_ptr<OpenChip>& chip, uint64_t size, uint32_t page_size)
    : ChipResource(chip), page_size_(page_size) {
  chip->use(str("cannot allocate ", size, " bytes of device memory"), [&](MeshDevice& device) {
    const metalium::Allocator& allocator = *device.allocator();
    num_banks_ = allocator.get_num_banks(BufferType::DRAM);
    const uint64_t pages = std::max<uint64_t>(div_up(size, page_size), 1);
    const uint64_t each = div_up(pages, num_banks_) * page_size;
    // Asked beforehand, for TT-Metalium logs what does not fit as a critical error.
    if (each > allocator.get_statistics(BufferType::DRAM).largest_free_block_bytes) {
      throw OutOfMemory(size, each, dram_usage_of(allocator));
    }
    size_ = pages * page_size;
    try {
      buffer_ = MeshBuffer::create(ReplicatedBufferConfig{.size = size_}, dram_pages(page_size), &device);
    } catch (const std::exception& error) {
      if (std::string_view(error.what()).find("Out of Memory") != std::string_view::npos) {
        throw OutOfMemory(size, each, dram_usage_of(allocator));
      }
      throw;
    }
    address_ = static_cast<uint32_t>(buffer_->address());
    register_with_chip();
  });
}

MetalBuffer::MetalBuffer(const std::shared_ptr<OpenChip>& chip, uint32_t address, uint64_t size, uint32_t page_size)
    : ChipResource(chip), size_(size), page_size_(page_size), address_(address) {
  chip->use("cannot view device memory", [&](MeshDevice& device) {
    num_banks_ = device.allocator()->get_num_banks(BufferType::DRAM);
  });
}

void MetalBuffer::leak_after_fork() noexcept {
  new (std::nothrow) std::shared_ptr<MeshBuffer>(std::move(buffer_));
}

std::shared_ptr<MetalBuffer::MeshBuffer> MetalBuffer::view(MeshDevice& device, uint64_t begin, uint64_t end) const {
  // Not a BufferRegion: under slow dispatch TT-Metalium takes a region of interleaved memory to begin where the buffer
  // does.
  return MeshBuffer::create(
      ReplicatedBufferConfig{.size = end - begin}, dram_pages(page_size_), &device, address_ + begin / num_banks_);
}

template <typename Call>
void MetalBuffer::for_each_piece(uint64_t offset, uint64_t size, const Call& call) const {
  const uint64_t row = uint64_t{num_banks_} * page_size_;
  for (const uint64_t end = offset + size; offset < end;) {
    const uint64_t start = offset / row * row;
    const bool whole_rows = offset == start && end - offset >= row;
    const uint64_t stop = whole_rows ? end / row * row : std::min(start + row, end);
    call(start, offset, stop);
    offset = stop;
  }
}

void MetalBuffer::write(MeshDevice& device, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) {
  auto& queue = device.mesh_command_queue();
  std::vector<std::byte> pages;
  for_each_piece(offset, source.size(), [&](uint64_t start, uint64_t begin, uint64_t end) {
    const std::byte* bytes = source.data() + (begin - offset);
    const auto target = view(device, start, round_up(end, page_size_));
    if (begin != start || end % page_size_ != 0) {
      // Pages are written whole. What else is in them and has to stay, the device must be asked for and waited for.
      pages.resize(target->size());
      if (begin != start || rest == RestOfPage::kKept) {
        queue.enqueue_read_mesh_buffer(pages.data(), target, /*blocking=*/true);
      }
      std::memcpy(pages.data() + (begin - start), bytes, end - begin);
      bytes = pages.data();
    }
    // Returns when the bytes are in the queue, before they are in the memory.
    queue.enqueue_write_mesh_buffer(target, bytes, /*blocking=*/false);
  });
}

void MetalBuffer::read(MeshDevice& device, uint64_t offset, std::span<std::byte> destination) {
  auto& queue = device.mesh_command_queue();
  std::vector<std::byte> pages;
  for_each_piece(offset, destination.size(), [&](uint64_t start, uint64_t begin, uint64_t end) {
    std::byte* bytes = destination.data() + (begin - offset);
    const auto source = view(device, start, round_up(end, page_size_));
    if (begin == start && end % page_size_ == 0) {
      queue.enqueue_read_mesh_buffer(bytes, source, /*blocking=*/true);
      return;
    }
    pages.resize(source->size());
    queue.enqueue_read_mesh_buffer(pages.data(), source, /*blocking=*/true);
    std::memcpy(bytes, pages.data() + (begin - start), end - begin);
  });
}

}  // namespace moe::tt::runtime::metal
