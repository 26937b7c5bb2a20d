#pragma once

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "args.h"
#include "l1.h"
#include "work_split.h"

namespace moe::tt::kernels {

// A run of bytes in DRAM, whatever its pages.
class DramRange {
 public:
  // Where a byte is. Page 0 is the run's first.
  struct Place {
    uint32_t page;
    uint32_t within;

    // What the byte's L1 address must be modulo kAlignment.
    uint32_t misalignment() const {
      return within & (kAlignment - 1);
    }
  };

  // Keeps a reference to the arguments: to read them again costs no more than to read a copy.
  explicit DramRange(const tt_l1_ptr DramRangeArgs& args) : args_(args) {}

  uint32_t page_size() const {
    return 1u << args_.page_size_log2;
  }

  // The place of an element in a run of elements of so many bytes, a power of two.
  template <uint32_t kElementSize>
  FORCE_INLINE Place element(uint32_t index) const {
    const uint32_t element = args_.first_byte / kElementSize + index;
    const uint32_t page_elements_log2 = args_.page_size_log2 - __builtin_ctz(kElementSize);
    return {element >> page_elements_log2, (element * kElementSize) & (page_size() - 1)};
  }

  // Starts reading bytes into L1. `scratch` is a multiple of kAlignment with space for the bytes and one kAlignment
  // more. Returns the address at which the first byte arrives.
  FORCE_INLINE uint32_t read(Place place, uint32_t size, uint32_t scratch) const {
    const uint32_t destination = scratch + place.misalignment();
    transfer(place, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
      noc_async_read<kMaxPageSize>(noc_address, destination + done, bytes);
    });
    return destination;
  }

  // Starts writing bytes from an L1 address of the place's misalignment.
  FORCE_INLINE void write(Place place, uint32_t size, uint32_t source) const {
    l1_fence();
    transfer(place, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source + done, noc_address, bytes);
    });
  }

  // Starts writing copies of one word. L1 holds a page of them.
  FORCE_INLINE void write_constant(Place place, uint32_t size, uint32_t constant_page) const {
    uint32_t source = constant_page + place.misalignment();
    transfer(place, size, [&](uint64_t noc_address, uint32_t, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source, noc_address, bytes);
      source = constant_page;
    });
  }

 private:
  // Calls `start(noc_address, done, bytes)` for each page's share of the bytes, `done` bytes after the first.
  template <typename Start>
  FORCE_INLINE void transfer(Place place, uint32_t size, const Start& start) const {
    const auto accessor = TensorAccessor(TensorAccessorArgs<kNumCompileArgs>(), args_.address, page_size());
    uint32_t page = args_.first_page + place.page;
    uint32_t within = place.within;
    for (uint32_t done = 0; done < size; ++page) {
      const uint32_t bytes = min(page_size() - within, size - done);
      start(accessor.get_noc_addr(page, within), done, bytes);
      done += bytes;
      within = 0;
    }
  }

  const tt_l1_ptr DramRangeArgs& args_;
};

}  // namespace moe::tt::kernels
