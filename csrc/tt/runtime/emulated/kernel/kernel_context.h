#pragma once

// What one kernel, on one processor of one core, knows and does while it runs. The kernel API in include/api calls
// the context of its thread; everything here that breaks a rule throws.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/noc.h"
#include "tt/runtime/emulated/program.h"

namespace moe::tt::runtime::emulated {

class KernelContext : public KernelSite {
 public:
  KernelContext(LaunchContext& launch, const EmulatedProgram::KernelInstance& instance);

  // Runs the kernel on this thread, and checks that it leaves nothing behind.
  void run();

  NocCoordinates noc_coordinates() const {
    return noc_coordinates_;
  }
  // tt-metal's default: each processor has a NoC of its own.
  uint8_t noc_index() const {
    return static_cast<uint8_t>(instance_.kernel->processor);
  }
  NocInterface& noc() {
    return noc_;
  }

  uint32_t runtime_arg(int index) const;
  uint32_t common_arg(int index) const;
  uint32_t compile_arg(uint32_t index) const;

  // A region of this core's L1 as host memory; of no bytes where the address stands in none.
  struct Window {
    std::byte* memory;
    uint32_t address;
    uint32_t size;
  };
  Window window(uint32_t address) const {
    const L1Layout::Region& region = layout_.at(address);
    return {l1_ + region.address, region.address, region.size};
  }
  [[noreturn]] void fail_access(uint32_t address, uint64_t offset, uint64_t size, uint64_t alignment) const;

  // The L1 address of a pointer into this core's L1.
  uint32_t address_of(const volatile void* pointer) const;

  uint32_t semaphore_address(uint32_t id) const;
  void semaphore_set(volatile uint32_t* semaphore, uint32_t value);
  void semaphore_wait(volatile uint32_t* semaphore, uint32_t value);
  void semaphore_wait_min(volatile uint32_t* semaphore, uint32_t value);

  void reserve_back(uint32_t circular_buffer, uint32_t pages);
  void push_back(uint32_t circular_buffer, uint32_t pages);
  void wait_front(uint32_t circular_buffer, uint32_t pages);
  void pop_front(uint32_t circular_buffer, uint32_t pages);
  uint32_t write_ptr(uint32_t circular_buffer) const;
  uint32_t read_ptr(uint32_t circular_buffer) const;

 private:
  uint32_t argument(const char* kind, std::span<const uint32_t> arguments, int64_t index) const;
  const L1Layout::Region& semaphore_at(const volatile uint32_t* pointer) const;
  const L1Layout::Ring& ring(uint32_t circular_buffer) const;
  void check_pages(uint32_t circular_buffer, uint32_t pages) const;
  CircularBufferCounters& counters(uint32_t circular_buffer) const;
  uint32_t advanced(uint32_t circular_buffer, uint32_t page, uint32_t pages) const;
  void wait(const Condition& condition);

  const L1Layout& layout_;
  std::byte* l1_;
  NocCoordinates noc_coordinates_;
  NocInterface noc_;
  // Where this processor's next page is pushed to or popped from. Each processor has its own, as on the chip.
  uint32_t write_page_[kNumCircularBuffers] = {};
  uint32_t read_page_[kNumCircularBuffers] = {};
  const std::function<std::string()> describe_;
};

extern constinit thread_local KernelContext* current_kernel;

// The context of the kernel that runs on this thread.
inline KernelContext& this_kernel() {
  return *current_kernel;
}

}  // namespace moe::tt::runtime::emulated
