#pragma once

// What one kernel, on one processor of one core, knows and does while it runs. The kernel API in include/api calls
// the context of its thread. A call that breaks a rule of the chip throws.

#include <cstddef>
#include <cstdint>
#include <span>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/execution/fault_guard.h"
#include "tt/runtime/emulated/kernel/access_rules.h"
#include "tt/runtime/emulated/kernel/circular_buffers.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/kernel_wait.h"
#include "tt/runtime/emulated/kernel/noc.h"
#include "tt/runtime/emulated/kernel/program.h"
#include "tt/runtime/emulated/kernel/semaphores.h"

namespace moe::tt::runtime::emulated {

// A part of the emulation, with the thread inside until the call of it has returned.
template <typename Part>
class InEmulation {
 public:
  InEmulation(FaultGuard& guard, Part& part) : inside_(guard), part_(part) {}

  Part* operator->() const {
    return &part_;
  }

 private:
  FaultGuard::Inside inside_;
  Part& part_;
};

class KernelContext : public KernelSite {
 public:
  KernelContext(const LaunchContext& launch, const EmulatedProgram::KernelInstance& instance);

  // Runs the kernel on this thread and checks that no transfer of it is outstanding at its end.
  void run();

  NocCoordinates noc_coordinates() const {
    return noc_coordinates_;
  }
  // tt-metal's default: each processor has a NoC of its own.
  uint8_t noc_index() const {
    return static_cast<uint8_t>(processor());
  }
  // These take locks and memory: the kernel is not stopped in their midst.
  InEmulation<NocInterface> noc() {
    return {guard_, noc_};
  }
  InEmulation<const Semaphores> semaphores() {
    return {guard_, semaphores_};
  }
  InEmulation<CircularBuffers> circular_buffers() {
    return {guard_, circular_buffers_};
  }

  uint32_t runtime_arg(int index) const;
  uint32_t common_arg(int index) const;
  uint32_t compile_arg(uint32_t index) const;

  // A region of this core's L1 as host memory, which accesses need not call use() for. Its size is 0 if they must: the
  // address is in no region, or all checks are on.
  struct Window {
    std::byte* memory;
    uint32_t address;
    uint32_t size;
  };
  Window window(uint32_t address) const {
    const L1Layout::Region& region = layout_.at(address);
    return {l1_ + region.address, region.address, rules_.on() ? 0 : region.size};
  }
  // The memory of an access to bytes from `address` + `offset` on. Throws if that is outside of the window's region,
  // or breaks another rule.
  std::byte* use(
      const Window& window, uint32_t address, uint64_t offset, uint32_t size, uint32_t alignment, Access access) const;

 private:
  // Throws what a fault is to the launch.
  void check_fault(Fault fault) const;
  uint32_t argument(const char* kind, std::span<const uint32_t> arguments, int64_t index) const;

  FaultGuard guard_;
  const L1Layout& layout_;
  std::byte* l1_;
  NocCoordinates noc_coordinates_;
  CircularBuffers circular_buffers_;
  AccessRules rules_;
  NocInterface noc_;
  KernelWait wait_;
  Semaphores semaphores_;
};

extern constinit thread_local KernelContext* current_kernel;

// The context of the kernel that runs on this thread.
inline KernelContext& this_kernel() {
  return *current_kernel;
}

}  // namespace moe::tt::runtime::emulated
