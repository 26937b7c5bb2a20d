#pragma once

// Which kernel, of which launch, on which core. The parts of a kernel's context need it to work and to report failures.

#include <cstdint>
#include <span>
#include <string>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/dram_view.h"
#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/chip/worker_cores.h"
#include "tt/runtime/emulated/execution/scheduler.h"
#include "tt/runtime/emulated/execution/traffic.h"
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
};

class KernelSite {
 public:
  KernelSite(LaunchContext& launch, const EmulatedProgram::KernelInstance& instance)
      : launch_(launch), instance_(instance) {}

  // Throws DeviceError. Its text is the kernel's name, core and processor, then the rule that the kernel broke.
  [[noreturn]] void fail(const std::string& rule) const;
  std::string who() const;

  // Throws Aborted if another kernel of the launch has failed.
  void check_aborted() const {
    if (launch_.scheduler.aborted()) {
      throw Aborted();
    }
  }

  LaunchContext& launch() const {
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
  LaunchContext& launch_;
  const EmulatedProgram::KernelInstance& instance_;
};

}  // namespace moe::tt::runtime::emulated
