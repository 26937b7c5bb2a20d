#pragma once

// All workers of a launch, and how one of them speaks to the others.

#include <cstdint>

#include "api/dataflow/dataflow_api.h"
#include "args.h"
#include "l1.h"

namespace moe::tt::kernels {

// `kCoordinates` is the common run-time argument from which on there is a word for every core of the launch: its NoC
// coordinates, as x << 16 | y. The launch has kNumEveryoneSemaphores.
template <uint32_t kCoordinates>
class Everyone {
 public:
  Everyone(uint32_t num_cores, uint32_t worker)
      : num_cores_(num_cores), worker_(worker), arrived_(get_semaphore(kArrived)), passed_(get_semaphore(kPassed)) {}

  // Copies bytes of L1 to the same address on all other cores. They are there after the next barrier.
  void send(uint32_t address, uint32_t bytes) const {
    l1_fence();
    if (num_cores_ > 1 && bytes > 0) {
      noc_async_write_multicast(address, on_all(address), bytes, num_cores_ - 1);
    }
  }

  // Waits until all workers have come here, and what they wrote to L1 before has arrived.
  void barrier() {
    ++barriers_;
    write_barrier();
    noc_semaphore_inc(on(0, arrived_), 1);
    if (worker_ == 0) {
      noc_semaphore_wait_min(semaphore_pointer(arrived_), barriers_ * num_cores_ * kProcessors);
      noc_semaphore_set(semaphore_pointer(passed_), barriers_);
      if (num_cores_ > 1) {
        noc_semaphore_set_multicast(passed_, on_all(passed_), num_cores_ - 1);
      }
    }
    noc_semaphore_wait_min(semaphore_pointer(passed_), barriers_);
    l1_fence();
  }

  static uint64_t on(uint32_t core, uint32_t address) {
    const uint32_t coordinates = coordinates_of(core);
    return get_noc_addr(coordinates >> 16, coordinates & 0xFFFF, address);
  }

 private:
  static uint32_t coordinates_of(uint32_t core) {
    return get_common_arg_val<uint32_t>(kCoordinates + core);
  }

  // The cores are a rectangle. NoC 1 runs the other way, from its last corner to its first.
  uint64_t on_all(uint32_t address) const {
    const bool forward = noc_index == 0;
    const uint32_t start = coordinates_of(forward ? 0 : num_cores_ - 1);
    const uint32_t end = coordinates_of(forward ? num_cores_ - 1 : 0);
    return get_noc_multicast_addr(start >> 16, start & 0xFFFF, end >> 16, end & 0xFFFF, address);
  }

  const uint32_t num_cores_;
  const uint32_t worker_;
  const uint32_t arrived_;
  const uint32_t passed_;
  uint32_t barriers_ = 0;
};

}  // namespace moe::tt::kernels
