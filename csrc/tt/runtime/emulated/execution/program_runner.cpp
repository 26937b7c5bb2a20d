#include "tt/runtime/emulated/execution/program_runner.h"

#include <algorithm>
#include <cstring>

#include "tt/runtime/emulated/chip/dram_view.h"
#include "tt/runtime/emulated/chip/poison.h"
#include "tt/runtime/emulated/kernel/kernel_context.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// How much of each circular buffer is poisoned before a launch: enough to find what relies on zeros or on what the
// last launch left.
constexpr uint32_t kPoisoned = 2048;

}  // namespace

void Engine::run(
    const EmulatedProgram& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<DramBuffer>> buffers) {
  prepare(program);
  DramView view(dram_, buffers);
  Launch launch{chip_, program, common_args, view, traffic_, tensix_, scheduler_};
  const auto& placements = program.placements();
  try {
    scheduler_.run(static_cast<uint32_t>(placements.size()), chip_.properties.num_cores(), [&](uint32_t kernel) {
      KernelContext(launch, placements[kernel]).run();
    });
  } catch (const DeviceError& error) {
    throw DeviceError(str("program '", program.description().name, "': ", error.what()));
  }
}

void Engine::prepare(const EmulatedProgram& program) {
  const ProgramDescription& description = program.description();
  const L1Layout& layout = program.layout();
  for (uint32_t i = 0; i < description.cores.count; ++i) {
    uint32_t core = description.cores.first + i;
    std::byte* l1 = tensix_.l1(core);
    for (uint32_t id = 0; id < layout.num_semaphores(); ++id) {
      std::memcpy(l1 + layout.semaphore_address(id), &description.semaphores[id], sizeof(uint32_t));
    }
    for (const CircularBuffer& buffer : layout.circular_buffers()) {
      const L1Layout::Queue& queue = layout.queue(buffer.index);
      poison(l1 + queue.address, std::min(kPoisoned, queue.end() - queue.address));
      CircularBufferCounters& counters = tensix_.counters(core, buffer.index);
      counters.received.store(0, std::memory_order_relaxed);
      counters.acked.store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace moe::tt::runtime::emulated
