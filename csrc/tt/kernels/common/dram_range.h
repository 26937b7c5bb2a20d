#pragma once

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "args.h"
#include "l1.h"
#include "work_split.h"

namespace moe::tt::kernels {

// Whether a page is a row of a tensor. On the chip this is a constant, and costs nothing.
FORCE_INLINE bool has_row_pages() {
  return get_compile_time_arg_val(kPageKind) == kRowPages;
}

// Where a tensor's accessor has its compile-time arguments. Flat pages are in DRAM: one accessor for all of them makes
// shorter code than one for each, where compile-time arguments are constants.
#ifdef KERNEL_BUILD

template <uint32_t kTensor>
inline constexpr uint32_t kAccessor =
    kNumCompileArgs + (get_compile_time_arg_val(kPageKind) == kRowPages ? kTensor * kAccessorArgs : 0);

#else

template <uint32_t kTensor>
inline constexpr uint32_t kAccessor = kNumCompileArgs + kTensor * kAccessorArgs;

#endif

// A run of a tensor's elements in DRAM, whatever its pages. Refers to its arguments: to read them again costs no more
// than to read a copy, unless a loop computes with them. For that `Args` is DramRangeArgs.
template <uint32_t kTensor, typename Args = const tt_l1_ptr DramRangeArgs&>
class DramRange {
 public:
  using AccessorArgs = TensorAccessorArgs<kAccessor<kTensor>>;

  // Where a byte is. Page 0 is the run's first.
  struct Place {
    uint32_t page;
    uint32_t within;

    // What the byte's L1 address must be modulo kAlignment.
    uint32_t misalignment() const {
      return within & (kAlignment - 1);
    }
  };

  explicit DramRange(const tt_l1_ptr DramRangeArgs& args) : args_(args) {}

  const tt_l1_ptr DramRangeArgs& args() const {
    return args_;
  }

  // Where pages i, i + num_banks(), i + 2 * num_banks(), ... follow each other.
  static uint32_t num_banks() {
    if (AccessorArgs::is_dram) {
      return NUM_DRAM_BANKS;
    }
    return NUM_L1_BANKS;
  }

  // Bytes of L1 from one page to the next where kernels build several. A row is padded, so that the next one has the
  // alignment that its page has.
  uint32_t page_size() const {
    return has_row_pages() ? align_up(args_.row_size, kAlignment) : args_.page_size;
  }

  // Bytes that one transfer moves, at most.
  uint32_t max_transfer() const {
    return has_row_pages() ? min(page_size(), kMaxPageSize) : page_size();
  }

  // The place of an element in a run of elements of so many bytes, a power of two.
  template <uint32_t kElementSize>
  FORCE_INLINE Place element(uint32_t index) const {
    const uint32_t element = args_.first_byte / kElementSize + index;
    if (has_row_pages()) {
      const uint32_t row_elements = args_.row_size / kElementSize;
      const uint32_t row = element / row_elements;
      return {row, (element - row * row_elements) * kElementSize};
    }
    const uint32_t page_elements_log2 = args_.page_size_log2 - __builtin_ctz(kElementSize);
    return {element >> page_elements_log2, (element * kElementSize) & (page_size() - 1)};
  }

  // The place of an element of a matrix with rows of so many elements. It begins where the run does, and where pages
  // are rows, these are its rows.
  template <uint32_t kElementSize>
  FORCE_INLINE Place element(uint32_t row, uint32_t column, uint32_t width) const {
    if (has_row_pages()) {
      return {row, column * kElementSize};
    }
    return element<kElementSize>(row * width + column);
  }

  // Starts reading bytes into L1; of row pages, within one of them. `scratch` is a multiple of kAlignment with space
  // for the bytes and one kAlignment more. Returns the address at which the first byte arrives.
  FORCE_INLINE uint32_t read(Place place, uint32_t size, uint32_t scratch) const {
    const uint32_t destination = scratch + place.misalignment();
    if (is_within_page(place, size)) {
      noc_async_read<kMaxPageSize>(noc_address(place), destination, size);
    } else {
      transfer(place, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
        noc_async_read<kMaxPageSize>(noc_address, destination + done, bytes);
      });
    }
    return destination;
  }

  // Starts writing bytes from an L1 address of the place's misalignment; to row pages, within one of them.
  FORCE_INLINE void write(Place place, uint32_t size, uint32_t source) const {
    l1_fence();
    if (is_within_page(place, size)) {
      noc_async_write<kMaxPageSize>(source, noc_address(place), size);
    } else {
      const Args args = args_;  // for a reference to args_ would keep it out of registers
      write_pages(args, place.page, place.within, size, source);
    }
  }

  // Starts writing a page from L1, where pages are flat.
  FORCE_INLINE void write_page(uint32_t page, uint32_t source) const {
    l1_fence();
    noc_async_write<kMaxPageSize>(source, accessor().get_noc_addr(args_.first_page + page), page_size());
  }

  // Starts writing a row from L1, where pages are rows.
  FORCE_INLINE void write_row(uint32_t row, uint32_t source) const {
    if (args_.row_size <= kMaxPageSize) {
      l1_fence();
      noc_async_write<kMaxPageSize>(source, accessor().get_noc_addr(args_.first_page + row), args_.row_size);
      return;
    }
    write({row, 0}, args_.row_size, source);
  }

  // Starts writing pages that follow each other in the bank of the first one, of kMaxPageSize at most: as many whole
  // ones at a time as a transfer moves.
  FORCE_INLINE void write_bank(uint32_t page, uint32_t count, uint32_t source) const {
    l1_fence();
    const uint32_t end = source + count * args_.page_size;
    const uint32_t most = kMaxPageSize / args_.page_size * args_.page_size;
    uint64_t address = accessor().get_noc_addr(args_.first_page + page);
    for (; source < end; source += most, address += most) {
      noc_async_write<kMaxPageSize>(source, address, min(end - source, most));
    }
  }

  // Starts writing copies of one word. L1 holds max_transfer() of them.
  FORCE_INLINE void write_constant(Place place, uint32_t size, uint32_t constant_page) const {
    uint32_t source = constant_page + place.misalignment();
    transfer(place, size, [&](uint64_t noc_address, uint32_t, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source, noc_address, bytes);
      source = constant_page;
    });
  }

 private:
  // Whether bytes, of which there are some, are within a flat page. Then they take no loop, and no registers for it.
  FORCE_INLINE bool is_within_page(Place place, uint32_t size) const {
    return !has_row_pages() && __builtin_expect(size - 1 < page_size() - place.within, true);
  }

  FORCE_INLINE uint64_t noc_address(Place place) const {
    return accessor().get_noc_addr(args_.first_page + place.page, place.within);
  }

  // A function of its own: writes are where many variables are in registers.
  [[gnu::noinline]] static void write_pages(
      const tt_l1_ptr DramRangeArgs& args, uint32_t page, uint32_t within, uint32_t size, uint32_t source) {
    DramRange(args).transfer({page, within}, size, [&](uint64_t noc_address, uint32_t done, uint32_t bytes) {
      noc_async_write<kMaxPageSize>(source + done, noc_address, bytes);
    });
  }

  FORCE_INLINE auto accessor() const {
    return TensorAccessor(AccessorArgs(), args_.address, args_.page_size);
  }

  // Calls `start(noc_address, done, bytes)` for each page's share of the bytes, `done` bytes after the first. A row may
  // be more than a transfer takes: then for each kMaxPageSize of it.
  template <typename Start>
  FORCE_INLINE void transfer(Place place, uint32_t size, const Start& start) const {
    const auto pages = accessor();
    uint32_t page = args_.first_page + place.page;
    uint32_t within = place.within;
    if (has_row_pages()) {
      for (uint32_t done = 0; done < size;) {
        const uint32_t packet = kMaxPageSize - within % kMaxPageSize;
        const uint32_t bytes = min(min(packet, args_.row_size - within), size - done);
        start(pages.get_noc_addr(page, within), done, bytes);
        done += bytes;
        within += bytes;
        if (within == args_.row_size) {
          within = 0;
          ++page;
        }
      }
      return;
    }
    for (uint32_t done = 0; done < size; ++page) {
      const uint32_t bytes = min(page_size() - within, size - done);
      start(pages.get_noc_addr(page, within), done, bytes);
      done += bytes;
      within = 0;
    }
  }

  Args args_;
};

}  // namespace moe::tt::kernels
