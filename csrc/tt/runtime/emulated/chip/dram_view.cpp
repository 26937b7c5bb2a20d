#include "tt/runtime/emulated/chip/dram_view.h"

#include <algorithm>
#include <utility>

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

DramView::DramView(const Dram& dram, std::span<const std::shared_ptr<DramBuffer>> buffers, uint64_t num_written)
    : dram_(dram) {
  for (const auto& buffer : buffers) {
    uses_.push_back({buffer.get(), uses_.size() < num_written});
  }
  // Of a buffer that comes twice, the use that at() finds is the last: one that is written.
  std::ranges::sort(uses_, {}, [](const Use& use) { return std::pair(use.buffer->address(), use.is_written); });
}

std::byte* DramView::at(uint32_t bank, uint64_t address, uint64_t size, bool to_write) const {
  auto after =
      std::ranges::upper_bound(uses_, address, {}, [](const Use& use) { return uint64_t{use.buffer->address()}; });
  const Use use = after == uses_.begin() ? Use{nullptr, false} : *std::prev(after);
  const DramBuffer* buffer = use.buffer;
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
  if (to_write && !use.is_written) {
    throw DeviceError(
        str("expected a buffer that the launch writes, got the DRAM buffer at address ",
            buffer->address(),
            ", which it only reads"));
  }
  return dram_.at(bank, address);
}

}  // namespace moe::tt::runtime::emulated
