#pragma once

#include <cstddef>
#include <cstdint>

#include "api/tensor/tensor_accessor_args.h"
#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/noc_address.h"
#include "tt/runtime/emulated/kernel/kernel_context.h"
#include "tt/support/str.h"

// Finds the pages of a buffer that is interleaved over the DRAM banks.
class TensorAccessor {
 public:
  template <std::size_t CTA_OFFSET>
  TensorAccessor(const TensorAccessorArgs<CTA_OFFSET>& args, std::size_t bank_base_address)
      : TensorAccessor(args, bank_base_address, args.get_aligned_page_size()) {}

  template <std::size_t CTA_OFFSET>
  TensorAccessor(const TensorAccessorArgs<CTA_OFFSET>& args, std::size_t bank_base_address, uint32_t page_size)
      : bank_base_address_(static_cast<uint32_t>(bank_base_address)), page_size_(page_size) {
    if (args.config() != moe::tt::runtime::emulated::kInterleavedDram) {
      moe::tt::runtime::emulated::this_kernel().fail(
          moe::tt::str(
              "expected compile-time argument ",
              CTA_OFFSET,
              " to be ",
              moe::tt::runtime::emulated::kInterleavedDram,
              ", tt-metal's configuration of a tensor interleaved over DRAM, with the page size after it, got ",
              args.config()));
    }
  }

  uint64_t get_noc_addr(uint32_t page_id, uint32_t offset = 0, uint8_t noc = 0) const {
    (void)noc;  // both NoCs have the same coordinates
    const auto& banks = moe::tt::runtime::emulated::this_kernel().launch().chip.dram_banks;
    const auto num_banks = static_cast<uint32_t>(banks.size());
    const auto& bank = banks[page_id % num_banks];
    return moe::tt::runtime::emulated::noc_address(
        bank.x, bank.y, bank_base_address_ + uint64_t{page_id / num_banks} * page_size_ + offset);
  }

  uint32_t get_aligned_page_size() const {
    return page_size_;
  }

 private:
  uint32_t bank_base_address_;
  uint32_t page_size_;
};
