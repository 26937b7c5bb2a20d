#pragma once

// Which kernel, of which launch, on which core. The parts of a kernel's context need it to work and to report failures.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/dram_view.h"
#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/chip/worker_cores.h"
#include "tt/runtime/emulated/execution/scheduler.h"
#include "tt/runtime/emulated/execution/traffic.h"
#include "tt/runtime/emulated/kernel/l1_shadow.h"
#include "tt/runtime/emulated/kernel/launch_order.h"
#include "tt/runtime/emulated/kernel/program.h"

namespace moe::tt::runtime::emulated {

// The objects that all kernels of a launch share.
struct LaunchContext {
  const Chip& chip;
  const EmulatedProgram& program;
  std::span<const uint32_t> common_args;
  const DramView& dram;
  TrafficCounter& traffic;
  WorkerCores& worker_cores;
  Scheduler& scheduler;
  // Where all checks are on.
  L1Shadow* l1_shadow;
  LaunchOrder* order;
};

class KernelSite {
 public:
  KernelSite(const LaunchContext& launch, const EmulatedProgram::KernelInstance& instance)
      : launch_(launch), instance_(instance) {}

  // Throws DeviceError. Its text is the kernel's name, core and processor, then the rule that the kernel broke.
  [[noreturn]] void fail(const std::string& rule) const;
  std::string who() const;

  // This kernel sets a semaphore in L1, or increments it. Throw if another kernel does the other of both and nothing
  // says which comes first. They say nothing unless all checks are on.
  void order_set(const std::byte* semaphore, uint32_t value) const;
  void order_increment(const std::byte* semaphore, uint32_t by) const;
  // What it has done is known to whoever waits for a place, and what others have done is known to it.
  void release(const void* place) const {
    if (launch_.order != nullptr) {
      launch_.order->release(number(), place);
    }
  }
  void acquire(const void* place) const {
    if (launch_.order != nullptr) {
      launch_.order->acquire(number(), place);
    }
  }

  // Throws Aborted if another kernel of the launch has failed.
  void check_aborted() const {
    if (launch_.scheduler.aborted()) {
      throw Aborted();
    }
  }

  const LaunchContext& launch() const {
    return launch_;
  }
  const L1Layout& layout() const {
    return launch_.program.layout();
  }
  // Its place among the program's instances.
  uint32_t number() const {
    return instance_.number;
  }
  uint32_t core() const {
    return instance_.core;
  }
  Processor processor() const {
    return instance_.kernel->processor;
  }

 protected:
  const LaunchContext& launch_;
  const EmulatedProgram::KernelInstance& instance_;

 private:
  [[noreturn]] void fail_unordered(const char* what, const char* other_did, uint32_t other) const;
};

}  // namespace moe::tt::runtime::emulated
