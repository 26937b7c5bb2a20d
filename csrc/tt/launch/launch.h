#pragma once

// A launch as data. An operator plans its launches for a target; a Launcher hands them to a device of this process,
// and csrc/python to ttnn.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "export.h"
#include "tt/kernels/common/args.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// A core's L1 where its workers share some of it: one half is shared, the other half is theirs alone.
struct L1Shares {
  uint32_t worker_bytes;  // of each worker
  uint32_t shared_bytes;

  // Bytes of the circular buffers that hold them, by their indices.
  std::vector<uint32_t> circular_buffers() const;
};

// What plans know of a device.
struct Target {
  std::string architecture;  // tt-metal's name of the chip
  uint32_t grid_x;           // columns of worker cores
  // Bytes of L1 that the circular buffers of a launch may take on a core, a multiple of kAlignment. The kernels align
  // what they keep there themselves: each buffer has kAlignment more than is counted here.
  uint32_t l1_bytes;
  std::vector<uint32_t> noc_coordinates;  // of each core, as kernels take them: x << 16 | y

  uint32_t num_cores() const {
    return static_cast<uint32_t>(noc_coordinates.size());
  }
  // The number of cores for a launch that needs at least `cores`: more than a row of them becomes whole rows. So there
  // are few different programs, and each runs on a rectangle.
  uint32_t whole_rows(uint32_t cores) const;

  L1Shares l1_shares() const;

  // A kernel's common arguments, and after them a word for each of the first cores: its NoC coordinates.
  std::vector<uint32_t> with_coordinates(std::span<const uint32_t> args, uint32_t num_cores) const;
};

struct Launch {
  // What is built once: the kernel runs on both processors of the cores [0, num_cores).
  std::string kernel;
  uint32_t id_size = 0;  // these two are 0 where a kernel is the same for all
  uint32_t weight_size = 0;
  kernels::PageKind pages;
  uint32_t options = 0;  // those of kernels::Option that the call has
  uint32_t num_tensors;  // those that there are
  uint32_t num_cores;
  uint32_t num_semaphores;
  std::vector<uint32_t> circular_buffers;  // bytes; the position is the index

  // What every launch has of its own.
  std::vector<uint32_t> common_args;
};

// The launch's program. `accessor_args` are those of each tensor's TensorAccessor, one after the other.
MOE_API runtime::ProgramDescription describe(const Launch& launch, const std::vector<uint32_t>& accessor_args);

}  // namespace moe::tt::launch
