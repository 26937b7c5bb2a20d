#pragma once

// tt-metal's kernel API for the data-movement processors, on the host: what the kernels of this project may use. Names
// and parameters are those of the header with the same path in TT-Metalium. The headers in emulated/kernel say what the
// calls do and which rules of the chip they check.

#include <cstdint>

#include "api/compile_time_args.h"
#include "api/core_local_mem.h"
#include "api/tensor/tensor_accessor.h"
#include "tt/runtime/emulated/chip/noc_address.h"
#include "tt/runtime/emulated/kernel/kernel_context.h"
#include "tt/runtime/emulated/kernel/noc.h"

#define FORCE_INLINE inline __attribute__((always_inline))
#define tt_l1_ptr

// tt-metal has these as globals of each kernel. Here they depend on the kernel that runs on the thread.
inline constexpr struct {
  operator uint8_t() const {
    return moe::tt::runtime::emulated::this_kernel().noc_index();
  }
} noc_index;

inline constexpr struct {
  uint8_t operator[](uint8_t) const {
    return static_cast<uint8_t>(moe::tt::runtime::emulated::this_kernel().noc_coordinates().x);
  }
} my_x;

inline constexpr struct {
  uint8_t operator[](uint8_t) const {
    return static_cast<uint8_t>(moe::tt::runtime::emulated::this_kernel().noc_coordinates().y);
  }
} my_y;

// The firmware keeps zeros in every core's L1. A kernel reads them through the NoC.
inline constexpr struct {
  operator uint32_t() const {
    return moe::tt::runtime::emulated::this_kernel().launch().chip.l1_zeros;
  }
} MEM_ZEROS_BASE;

inline constexpr uint32_t MEM_ZEROS_SIZE = moe::tt::runtime::emulated::kL1ZerosSize;

// The banks that interleaved buffers are striped over.
inline constexpr struct {
  operator uint32_t() const {
    return moe::tt::runtime::emulated::this_kernel().launch().chip.properties.dram_banks;
  }
} NUM_DRAM_BANKS;

inline constexpr struct {
  operator uint32_t() const {
    return moe::tt::runtime::emulated::this_kernel().launch().chip.properties.num_cores();
  }
} NUM_L1_BANKS;

// The virtual channel of a transfer makes no difference in emulation.
inline constexpr uint8_t NOC_UNICAST_WRITE_VC = 1;
inline constexpr uint8_t NOC_MULTICAST_WRITE_VC = 4;

// Who and where.

inline uint8_t get_absolute_logical_x() {
  const auto& kernel = moe::tt::runtime::emulated::this_kernel();
  return static_cast<uint8_t>(kernel.launch().chip.logical(kernel.core()).first);
}

inline uint8_t get_absolute_logical_y() {
  const auto& kernel = moe::tt::runtime::emulated::this_kernel();
  return static_cast<uint8_t>(kernel.launch().chip.logical(kernel.core()).second);
}

template <typename T>
inline T get_arg_val(int arg_idx) {
  static_assert(sizeof(T) == 4, "an argument has 4 bytes");
  return __builtin_bit_cast(T, moe::tt::runtime::emulated::this_kernel().runtime_arg(arg_idx));
}

template <typename T>
inline T get_common_arg_val(int arg_idx) {
  static_assert(sizeof(T) == 4, "an argument has 4 bytes");
  return __builtin_bit_cast(T, moe::tt::runtime::emulated::this_kernel().common_arg(arg_idx));
}

// Circular buffers.

inline void cb_reserve_back(int32_t operand, int32_t num_pages) {
  moe::tt::runtime::emulated::this_kernel().circular_buffers()->reserve_back(
      static_cast<uint32_t>(operand), static_cast<uint32_t>(num_pages));
}

inline void cb_push_back(int32_t operand, int32_t num_pages) {
  moe::tt::runtime::emulated::this_kernel().circular_buffers()->push_back(
      static_cast<uint32_t>(operand), static_cast<uint32_t>(num_pages));
}

inline void cb_wait_front(int32_t operand, int32_t num_pages) {
  moe::tt::runtime::emulated::this_kernel().circular_buffers()->wait_front(
      static_cast<uint32_t>(operand), static_cast<uint32_t>(num_pages));
}

inline void cb_pop_front(int32_t operand, int32_t num_pages) {
  moe::tt::runtime::emulated::this_kernel().circular_buffers()->pop_front(
      static_cast<uint32_t>(operand), static_cast<uint32_t>(num_pages));
}

inline uint32_t get_write_ptr(uint32_t operand) {
  return moe::tt::runtime::emulated::this_kernel().circular_buffers()->write_ptr(operand);
}

inline uint32_t get_read_ptr(uint32_t operand) {
  return moe::tt::runtime::emulated::this_kernel().circular_buffers()->read_ptr(operand);
}

// NoC addresses.

inline uint64_t get_noc_addr(uint32_t noc_x, uint32_t noc_y, uint32_t addr, uint8_t noc = noc_index) {
  (void)noc;
  return moe::tt::runtime::emulated::noc_address(noc_x, noc_y, addr);
}

inline uint64_t get_noc_addr(uint32_t addr, uint8_t noc = noc_index) {
  return get_noc_addr(my_x[noc], my_y[noc], addr, noc);
}

inline uint64_t get_noc_multicast_addr(
    uint32_t noc_x_start,
    uint32_t noc_y_start,
    uint32_t noc_x_end,
    uint32_t noc_y_end,
    uint32_t addr,
    uint8_t noc = noc_index) {
  (void)noc;
  return moe::tt::runtime::emulated::noc_multicast_address(noc_x_start, noc_y_start, noc_x_end, noc_y_end, addr);
}

// Reads.

template <bool enable_noc_tracing = true>
inline void noc_async_read_one_packet(
    uint64_t src_noc_addr,
    uint32_t dst_local_l1_addr,
    uint32_t size,
    uint8_t noc = noc_index,
    uint32_t read_req_vc = NOC_UNICAST_WRITE_VC) {
  (void)read_req_vc;
  moe::tt::runtime::emulated::this_kernel().noc()->read(
      src_noc_addr, dst_local_l1_addr, size, noc, moe::tt::runtime::emulated::NocInterface::Packets::kOne);
}

// A max_page_size of at most one packet promises a single packet, as on the chip. A kernel is compiled once for both
// architectures here, so this is the smaller of their packet sizes.
inline constexpr uint32_t NOC_MAX_BURST_SIZE = 8192;

template <uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, bool enable_noc_tracing = true>
inline void noc_async_read(
    uint64_t src_noc_addr,
    uint32_t dst_local_l1_addr,
    uint32_t size,
    uint8_t noc = noc_index,
    uint32_t read_req_vc = NOC_UNICAST_WRITE_VC) {
  if constexpr (max_page_size <= NOC_MAX_BURST_SIZE) {
    noc_async_read_one_packet<enable_noc_tracing>(src_noc_addr, dst_local_l1_addr, size, noc, read_req_vc);
  } else {
    moe::tt::runtime::emulated::this_kernel().noc()->read(
        src_noc_addr, dst_local_l1_addr, size, noc, moe::tt::runtime::emulated::NocInterface::Packets::kAny);
  }
}

template <bool use_vc = false>
inline void noc_async_read_one_packet_set_state(
    uint64_t src_noc_addr, uint32_t size, uint32_t vc = 0, uint8_t noc = noc_index) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->read_set_state(src_noc_addr, size, noc);
}

template <bool inc_num_issued = true, bool use_vc = false>
inline void noc_async_read_one_packet_with_state(
    uint32_t src_local_l1_addr, uint32_t dst_local_l1_addr, uint32_t vc = 0, uint8_t noc = noc_index) {
  static_assert(inc_num_issued, "reads that are not counted are not emulated");
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->read_with_state(src_local_l1_addr, dst_local_l1_addr, noc);
}

inline void noc_async_read_page(
    uint32_t id,
    const TensorAccessor& accessor,
    uint32_t dst_local_l1_addr,
    uint32_t offset = 0,
    uint8_t noc = noc_index) {
  noc_async_read(accessor.get_noc_addr(id, offset, noc), dst_local_l1_addr, accessor.get_aligned_page_size(), noc);
}

inline void noc_async_read_barrier(uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->read_barrier(noc);
}

// Writes.

template <bool enable_noc_tracing = true, bool posted = false>
inline void noc_async_write_one_packet(
    uint32_t src_local_l1_addr,
    uint64_t dst_noc_addr,
    uint32_t size,
    uint8_t noc = noc_index,
    uint32_t vc = NOC_UNICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->write(
      src_local_l1_addr, dst_noc_addr, size, noc, posted, moe::tt::runtime::emulated::NocInterface::Packets::kOne);
}

template <uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, bool enable_noc_tracing = true, bool posted = false>
inline void noc_async_write(
    uint32_t src_local_l1_addr,
    uint64_t dst_noc_addr,
    uint32_t size,
    uint8_t noc = noc_index,
    uint32_t vc = NOC_UNICAST_WRITE_VC) {
  if constexpr (max_page_size <= NOC_MAX_BURST_SIZE) {
    noc_async_write_one_packet<enable_noc_tracing, posted>(src_local_l1_addr, dst_noc_addr, size, noc, vc);
  } else {
    moe::tt::runtime::emulated::this_kernel().noc()->write(
        src_local_l1_addr, dst_noc_addr, size, noc, posted, moe::tt::runtime::emulated::NocInterface::Packets::kAny);
  }
}

template <bool posted = false>
inline void noc_async_write_one_packet_set_state(
    uint64_t dst_noc_addr, uint32_t size, uint8_t noc = noc_index, uint8_t vc = NOC_UNICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->write_set_state(dst_noc_addr, size, noc);
}

template <bool posted = false>
inline void noc_async_write_one_packet_with_state(
    uint32_t src_local_l1_addr, uint32_t dst_local_l1_addr, uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->write_with_state(src_local_l1_addr, dst_local_l1_addr, noc, posted);
}

inline void noc_async_write_page(
    uint32_t id,
    const TensorAccessor& accessor,
    uint32_t src_local_l1_addr,
    uint32_t size = 0,
    uint32_t offset = 0,
    uint8_t noc = noc_index) {
  noc_async_write(
      src_local_l1_addr,
      accessor.get_noc_addr(id, offset, noc),
      size == 0 ? accessor.get_aligned_page_size() : size,
      noc);
}

inline void noc_async_write_multicast(
    uint32_t src_local_l1_addr,
    uint64_t dst_noc_addr_multicast,
    uint32_t size,
    uint32_t num_dests,
    bool linked = false,
    uint8_t noc = noc_index,
    uint8_t vc = NOC_MULTICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->write_multicast(
      src_local_l1_addr, dst_noc_addr_multicast, size, num_dests, linked, noc);
}

inline void noc_async_writes_flushed(uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->writes_flushed(noc);
}

inline void noc_async_posted_writes_flushed(uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->posted_writes_flushed(noc);
}

inline void noc_async_write_barrier(uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->write_barrier(noc);
}

// tt-metal's choice of what an inline write goes to. Only L1 is emulated.
enum class InlineWriteDst : uint8_t { DEFAULT, L1, REG };

template <InlineWriteDst dst_type = InlineWriteDst::DEFAULT, bool posted = false, bool flush = true>
inline void noc_inline_dw_write(
    uint64_t addr,
    uint32_t val,
    uint8_t be = 0xF,
    uint8_t noc = noc_index,
    uint8_t vc = NOC_UNICAST_WRITE_VC,
    uint32_t customized_src_addr = 0) {
  static_assert(dst_type != InlineWriteDst::REG, "registers are not emulated");
  (void)vc;
  (void)customized_src_addr;
  moe::tt::runtime::emulated::this_kernel().noc()->write_word(addr, val, be, noc, posted);
}

// Semaphores.

inline uint32_t get_semaphore(uint32_t semaphore_id) {
  return moe::tt::runtime::emulated::this_kernel().semaphores()->address(semaphore_id);
}

inline void noc_semaphore_set(volatile tt_l1_ptr uint32_t* sem_addr, uint32_t val) {
  moe::tt::runtime::emulated::this_kernel().semaphores()->set(sem_addr, val);
}

inline void noc_semaphore_wait(volatile tt_l1_ptr uint32_t* sem_addr, uint32_t val) {
  moe::tt::runtime::emulated::this_kernel().semaphores()->wait(sem_addr, val);
}

inline void noc_semaphore_wait_min(volatile tt_l1_ptr uint32_t* sem_addr, uint32_t val) {
  moe::tt::runtime::emulated::this_kernel().semaphores()->wait_min(sem_addr, val);
}

template <bool posted = false>
inline void noc_semaphore_inc(
    uint64_t addr, uint32_t incr, uint8_t noc_id = noc_index, uint8_t vc = NOC_UNICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->increment(addr, incr, noc_id, posted);
}

template <bool posted = false>
inline void noc_semaphore_inc_multicast(
    uint64_t addr, uint32_t incr, uint32_t num_dests, uint8_t noc_id = noc_index, uint8_t vc = NOC_MULTICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->increment_multicast(addr, incr, num_dests, noc_id, posted);
}

inline void noc_semaphore_set_remote(uint32_t src_local_l1_addr, uint64_t dst_noc_addr, uint8_t noc = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->set_remote_semaphore(src_local_l1_addr, dst_noc_addr, noc);
}

inline void noc_semaphore_set_multicast(
    uint32_t src_local_l1_addr,
    uint64_t dst_noc_addr_multicast,
    uint32_t num_dests,
    bool linked = false,
    uint8_t noc = noc_index,
    uint8_t vc = NOC_MULTICAST_WRITE_VC) {
  (void)vc;
  moe::tt::runtime::emulated::this_kernel().noc()->set_semaphore_multicast(
      src_local_l1_addr, dst_noc_addr_multicast, num_dests, linked, noc);
}

inline void noc_async_atomic_barrier(uint8_t noc_idx = noc_index) {
  moe::tt::runtime::emulated::this_kernel().noc()->atomic_barrier(noc_idx);
}

inline void noc_async_full_barrier(uint8_t noc_idx = noc_index) {
  noc_async_read_barrier(noc_idx);
  noc_async_write_barrier(noc_idx);
  noc_async_posted_writes_flushed(noc_idx);
  noc_async_atomic_barrier(noc_idx);
}
