#include "tt/runtime/emulated/chip/dram.h"

#include <algorithm>
#include <cstring>

#include "tt/runtime/emulated/chip/poison.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// Bytes of a new buffer that are poisoned in each bank: enough to find kernels that rely on zeros, at little cost.
constexpr uint64_t kPoisonedOfBuffer = 16 * 1024;

}  // namespace

Dram::Dram(const Chip& chip, bool tracks)
    : banks_(chip.properties.dram_banks),
      alignment_(chip.properties.dram_alignment),
      bank_size_(chip.bank_size()),
      memory_(std::make_unique<AnonymousMemory>(chip.properties.dram_size)),
      written_(tracks ? std::make_unique<AnonymousMemory>(chip.properties.dram_size) : nullptr),
      // No buffer has address 0, which can stand for "none".
      free_list_(alignment_, bank_size_) {}

std::shared_ptr<DramBuffer> Dram::allocate(uint64_t size, uint32_t page_size) {
  uint64_t pages = std::max<uint64_t>(1, div_up(size, page_size));
  uint64_t in_each_bank = div_up(pages, banks_) * page_size;

  std::optional<uint64_t> address;
  {
    std::scoped_lock lock(mutex_);
    address = free_list_.allocate(in_each_bank);
    if (!address) {
      throw OutOfMemory(size, in_each_bank, usage_locked());
    }
  }
  auto buffer =
      std::make_shared<DramBuffer>(shared_from_this(), static_cast<uint32_t>(*address), pages * page_size, page_size);
  for (uint32_t bank = 0; bank < banks_; ++bank) {
    poison(at(bank, *address), std::min(in_each_bank, kPoisonedOfBuffer));
    if (written_) {
      written_->clear(bank * bank_size_ + *address, in_each_bank);
    }
  }
  return buffer;
}

DramUsage Dram::usage() {
  std::scoped_lock lock(mutex_);
  return usage_locked();
}

DramUsage Dram::usage_locked() const {
  return {banks_, uint64_t{banks_} * bank_size_, free_list_.free_bytes() * banks_, free_list_.largest()};
}

void Dram::free(const DramBuffer& buffer) {
  if (!process_.is_current()) {
    return;  // after a fork: a thread of the parent may hold the mutex
  }
  std::scoped_lock lock(mutex_);
  free_list_.free(buffer.address(), buffer.bank_bytes());
}

template <typename Copy>
void Dram::for_each_page(const DramBuffer& buffer, uint64_t offset, uint64_t size, const Copy& copy) const {
  const uint64_t page_size = buffer.page_size();
  for (uint64_t done = 0; done < size;) {
    uint64_t page = (offset + done) / page_size;
    uint64_t in_page = (offset + done) % page_size;
    uint64_t count = std::min(size - done, page_size - in_page);
    copy(at(page % banks_, buffer.address() + page / banks_ * page_size + in_page), done, count);
    done += count;
  }
}

void Dram::write(const DramBuffer& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) const {
  for_each_page(buffer, offset, source.size(), [&](std::byte* memory, uint64_t done, uint64_t count) {
    std::memcpy(memory, source.data() + done, count);
    if (written_) {
      std::fill_n(written(memory), count, 1);
    }
  });
  const uint64_t end = offset + source.size();
  if (rest == RestOfPage::kUndefined) {
    // Not what was there, nor zeros: whoever uses it shall notice.
    for_each_page(
        buffer, end, round_up(end, buffer.page_size()) - end, [&](std::byte* memory, uint64_t, uint64_t count) {
          poison(memory, count);
          if (written_) {
            std::fill_n(written(memory), count, 0);
          }
        });
  }
}

void Dram::read(const DramBuffer& buffer, uint64_t offset, std::span<std::byte> destination) const {
  for_each_page(buffer, offset, destination.size(), [&](const std::byte* memory, uint64_t done, uint64_t count) {
    std::memcpy(destination.data() + done, memory, count);
  });
}

void Dram::close() {
  memory_.reset();
  written_.reset();
}

DramBuffer::~DramBuffer() {
  dram_->free(*this);
}

}  // namespace moe::tt::runtime::emulated
