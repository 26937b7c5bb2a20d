#include "tt/runtime/emulated/chip/dram_view.h"

#include <algorithm>

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

DramView::DramView(const Dram& dram, std::span<const std::shared_ptr<DramBuffer>> buffers) : dram_(dram) {
  for (const auto& buffer : buffers) {
    buffers_.push_back(buffer.get());
  }
  std::ranges::sort(buffers_, {}, &DramBuffer::address);
}

std::byte* DramView::at(uint32_t bank, uint64_t address, uint64_t size) const {
  auto after = std::ranges::upper_bound(
      buffers_, address, {}, [](const DramBuffer* buffer) { return uint64_t{buffer->address()}; });
  const DramBuffer* buffer = after == buffers_.begin() ? nullptr : *std::prev(after);
  if (buffer == nullptr || address - buffer->address() >= buffer->bank_bytes()) {
    throw DeviceError(
        str("expected an address inside a buffer that was passed to the launch, got address ",
            address,
            " of DRAM bank ",
            bank));
  }
  uint64_t offset = address - buffer->address();
  uint64_t in_page = offset % buffer->page_size();
  bool whole_pages = in_page == 0 && size > 0 && size % buffer->page_size() == 0;
  uint64_t more_pages = whole_pages ? size / buffer->page_size() - 1 : 0;
  uint64_t page = (offset / buffer->page_size() + more_pages) * dram_.banks() + bank;
  if (page >= buffer->num_pages()) {
    throw DeviceError(
        str("expected a page below ",
            buffer->num_pages(),
            " of the DRAM buffer at address ",
            buffer->address(),
            ", got page ",
            page));
  }
  if (!whole_pages && in_page + size > buffer->page_size()) {
    throw DeviceError(
        str("expected a transfer to stay inside a page of ",
            buffer->page_size(),
            " bytes, or to be of whole ones, got ",
            size,
            " bytes from byte ",
            in_page,
            " of page ",
            page,
            " of the DRAM buffer at address ",
            buffer->address(),
            "; what follows in the bank is another page"));
  }
  return dram_.at(bank, address);
}

}  // namespace moe::tt::runtime::emulated
