#include "tt/runtime/emulated/kernel/program_runner.h"

#include <algorithm>
#include <cstring>
#include <optional>

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
    : chip_(chip),
      dram_(dram),
      traffic_(traffic),
      worker_cores_(chip),
      scheduler_(checks.time_limit),
      l1_shadow_(checks.all ? std::make_unique<L1Shadow>(chip) : nullptr) {
  FaultGuard::install();
}

void ProgramRunner::run(
    const EmulatedProgram& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<DramBuffer>> buffers) {
  prepare(program);
  DramView view(dram_, buffers, program.description().num_written.value_or(buffers.size()));
  const auto& instances = program.instances();
  std::optional<LaunchOrder> order;
  if (l1_shadow_) {
    l1_shadow_->begin_launch();
    order.emplace(static_cast<uint32_t>(instances.size()));
  }
  LaunchContext launch{
      chip_,
      program,
      common_args,
      view,
      traffic_,
      worker_cores_,
      scheduler_,
      l1_shadow_.get(),
      order ? &*order : nullptr};
  try {
    scheduler_.run(
        static_cast<uint32_t>(instances.size()),
        chip_.properties.num_cores(),
        [&](uint32_t kernel) { KernelContext(launch, instances[kernel]).run(); },
        [&](uint32_t kernel) { return KernelSite(launch, instances[kernel]).who(); });
    if (order) {
      check_semaphores(launch);
      check_dram_writes(launch);
    }
  } catch (const DeviceError& error) {
    throw DeviceError(str("program '", program.description().name, "': ", error.what()));
  }
}

void ProgramRunner::check_semaphores(const LaunchContext& launch) {
  const ProgramDescription& description = launch.program.description();
  for (const EmulatedProgram::KernelInstance& instance : launch.program.instances()) {
    for (uint32_t id = 0; id < description.semaphores.size(); ++id) {
      const std::byte* semaphore =
          launch.worker_cores.l1(instance.core) + launch.program.layout().semaphore_address(id);
      const uint32_t expected = launch.order->value(semaphore, description.semaphores[id]);
      uint32_t value;
      std::memcpy(&value, semaphore, sizeof(value));
      if (value != expected) {
        KernelSite(launch, instance)
            .fail(
                str("expected semaphore ",
                    id,
                    " to be ",
                    expected,
                    " at the end, as noc_semaphore_set and increments made it, got ",
                    value,
                    ": a plain store to it, by a kernel on this core, may have undone others' increments"));
      }
    }
  }
}

void ProgramRunner::check_dram_writes(const LaunchContext& launch) {
  if (const auto conflict = launch.order->find_conflict()) {
    const auto& instances = launch.program.instances();
    const uint64_t bank_size = launch.chip.bank_size();
    KernelSite(launch, instances[conflict->first])
        .fail(
            str("expected an order between it and ",
                KernelSite(launch, instances[conflict->second]).who(),
                ", a semaphore or a circular buffer, since both write ",
                conflict->size,
                " bytes at address ",
                conflict->address % bank_size,
                " of DRAM bank ",
                conflict->address / bank_size));
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
