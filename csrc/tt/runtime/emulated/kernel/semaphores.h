#pragma once

#include <cstdint>

#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/kernel_wait.h"

namespace moe::tt::runtime::emulated {

// The semaphores of its own core as one kernel uses them. Setting one is a release, and a wait that ends is an acquire.
class Semaphores {
 public:
  Semaphores(const KernelSite& kernel, const KernelWait& wait) : kernel_(kernel), wait_(wait) {}

  // The L1 address of the program's semaphore `id`.
  uint32_t address(uint32_t id) const;

  // `semaphore` points to a semaphore in this core's L1.
  void set(volatile uint32_t* semaphore, uint32_t value) const;
  void wait(volatile uint32_t* semaphore, uint32_t value) const;
  void wait_min(volatile uint32_t* semaphore, uint32_t value) const;

 private:
  const L1Layout::Region& at(const volatile uint32_t* pointer) const;

  const KernelSite& kernel_;
  const KernelWait& wait_;
};

}  // namespace moe::tt::runtime::emulated
