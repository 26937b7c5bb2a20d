#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tt/launch/invalid_ids.h"
#include "tt/launch/program_cache.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// A core's L1 where its workers share some of it: one half is shared, the other half is theirs alone.
struct L1Shares {
  uint32_t worker_bytes;  // of each worker
  uint32_t shared_bytes;

  // Bytes of the circular buffers that hold them, by their indices.
  std::array<uint32_t, kernels::kProcessors + 1> circular_buffers() const;
};

// What the launches of all operators on one device share. An operator's launch is a function of its own that takes it.
// No torch here: bytes in, bytes out.
struct Launcher {
  // `records` are InvalidIds::num_bytes() of device memory.
  Launcher(runtime::Device& device, runtime::BufferSpan records);

  runtime::Device& device;
  ProgramCache programs;  // guarded by invalid_ids.mutex(), as a call's launches are
  InvalidIds invalid_ids;

  // Bytes of L1 that the circular buffers of a program may take on a core. The kernels align what they keep there
  // themselves: each buffer has kAlignment more than is counted here.
  const uint32_t l1_bytes;

  L1Shares l1_shares() const;

  // A kernel's common arguments, and after them a word for each of the first cores: its NoC coordinates.
  std::vector<uint32_t> with_coordinates(std::span<const uint32_t> args, uint32_t num_cores) const;

  // The cores' NoC coordinates as kernels take them: x << 16 | y.
  const std::vector<uint32_t> noc_coordinates;
};

}  // namespace moe::tt::launch
