#include "tt/runtime/emulated/kernel/program_runner.h"

#include <algorithm>
#include <cstring>

#include "tt/runtime/emulated/chip/dram_view.h"
#include "tt/runtime/emulated/chip/poison.h"
#include "tt/runtime/emulated/execution/fault_guard.h"
#include "tt/runtime/emulated/kernel/kernel_context.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// Bytes of each circular buffer that are poisoned before a launch: enough to find kernels that rely on zeros or on what
// the last launch left.
constexpr uint32_t kPoisonedOfRing = 2048;

}  // namespace

ProgramRunner::ProgramRunner(const Chip& chip, const Checks& checks, const Dram& dram, TrafficCounter& traffic)
    : chip_(chip), dram_(dram), traffic_(traffic), worker_cores_(chip), scheduler_(checks.time_limit) {
  FaultGuard::install();
}

void ProgramRunner::run(
    const EmulatedProgram& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<DramBuffer>> buffers) {
  prepare(program);
  DramView view(dram_, buffers);
  LaunchContext launch{chip_, program, common_args, view, traffic_, worker_cores_, scheduler_};
  const auto& instances = program.instances();
  try {
    scheduler_.run(
        static_cast<uint32_t>(instances.size()),
        chip_.properties.num_cores(),
        [&](uint32_t kernel) { KernelContext(launch, instances[kernel]).run(); },
        [&](uint32_t kernel) { return KernelSite(launch, instances[kernel]).who(); });
  } catch (const DeviceError& error) {
    throw DeviceError(str("program '", program.description().name, "': ", error.what()));
  }
}

void ProgramRunner::prepare(const EmulatedProgram& program) {
  const ProgramDescription& description = program.description();
  const L1Layout& layout = program.layout();
  for (uint32_t i = 0; i < description.cores.count; ++i) {
    uint32_t core = description.cores.first + i;
    std::byte* l1 = worker_cores_.l1(core);
    for (uint32_t id = 0; id < layout.num_semaphores(); ++id) {
      std::memcpy(l1 + layout.semaphore_address(id), &description.semaphores[id], sizeof(uint32_t));
    }
    for (const CircularBuffer& buffer : layout.circular_buffers()) {
      const L1Layout::Ring& ring = layout.ring(buffer.index);
      poison(l1 + ring.address, std::min(kPoisonedOfRing, ring.end() - ring.address));
      CircularBufferCounters& counters = worker_cores_.counters(core, buffer.index);
      counters.received.store(0, std::memory_order_relaxed);
      counters.acked.store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace moe::tt::runtime::emulated
