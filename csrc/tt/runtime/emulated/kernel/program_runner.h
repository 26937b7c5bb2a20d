#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/dram.h"
#include "tt/runtime/emulated/chip/worker_cores.h"
#include "tt/runtime/emulated/execution/checks.h"
#include "tt/runtime/emulated/execution/scheduler.h"
#include "tt/runtime/emulated/execution/traffic.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/l1_shadow.h"
#include "tt/runtime/emulated/kernel/program.h"

namespace moe::tt::runtime::emulated {

// Runs launches, one at a time.
class ProgramRunner {
 public:
  ProgramRunner(const Chip& chip, const Checks& checks, const Dram& dram, TrafficCounter& traffic);

  // Returns when every kernel has ended. Throws the first failure.
  void run(
      const EmulatedProgram& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<DramBuffer>> buffers);

 private:
  void prepare(const EmulatedProgram& program);
  // What all checks find once every kernel has ended.
  static void check_semaphores(const LaunchContext& launch);
  static void check_dram_writes(const LaunchContext& launch);

  const Chip& chip_;
  const Dram& dram_;
  TrafficCounter& traffic_;
  WorkerCores worker_cores_;
  Scheduler scheduler_;
  std::unique_ptr<L1Shadow> l1_shadow_;  // where all checks are on
};

}  // namespace moe::tt::runtime::emulated
