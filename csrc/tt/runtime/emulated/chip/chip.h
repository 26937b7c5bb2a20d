#pragma once

// The numbers of the emulated chips. They are those that tt-metal reports for the real ones.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tt/runtime/limits.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

struct NocCoordinates {
  uint32_t x;
  uint32_t y;

  bool operator==(const NocCoordinates&) const = default;
};

struct Chip {
  DeviceProperties properties;

  // L1 below `l1_semaphores` belongs to the firmware, which keeps kL1ZerosSize zeros at `l1_zeros`. tt-metal's "kernel
  // config" of 69 KiB follows, with semaphores, arguments and kernels. A program's circular buffers start at
  // `properties.l1_unreserved`.
  uint32_t l1_zeros;
  uint32_t l1_semaphores;

  uint32_t noc_max_burst;  // bytes in one packet

  std::vector<uint32_t> core_columns;  // the NoC x of each column of the grid
  std::vector<uint32_t> core_rows;
  std::vector<NocCoordinates> dram_banks;

  uint64_t bank_size() const {
    return properties.dram_size / properties.dram_banks;
  }

  std::pair<uint32_t, uint32_t> logical(uint32_t core) const {
    return {core % properties.grid_x, core / properties.grid_x};
  }

  NocCoordinates noc(uint32_t core) const {
    return {core_columns[core % properties.grid_x], core_rows[core / properties.grid_x]};
  }

  // The worker core or the DRAM bank at these coordinates; none if something else is there.
  std::optional<uint32_t> core_at(NocCoordinates noc) const;
  std::optional<uint32_t> bank_at(NocCoordinates noc) const;
};

// Numbers of the NoC and of tt-metal that are the same on every architecture.
inline constexpr uint32_t kL1ZerosSize = 512;
inline constexpr uint32_t kDramWriteAlignment = 16;
inline constexpr uint32_t kSemaphoreStride = 16;
// The first compile-time argument of a TensorAccessor for a buffer that is interleaved over DRAM: tt-metal's
// ArgConfig::IsDram, not sharded. The second one is the page size.
inline constexpr uint32_t kInterleavedDram = 2;

// The chip that TORCH_TT_EMULATED_ARCH, TORCH_TT_EMULATED_DRAM_SIZE and TORCH_TT_GRID describe.
Chip chip_from_environment();

// The value of TORCH_TT_EMULATED_DEVICES, or 1.
uint32_t device_count_from_environment();

}  // namespace moe::tt::runtime::emulated
