#include "tt/runtime/emulated/kernel/kernel_context.h"

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

constinit thread_local KernelContext* current_kernel = nullptr;

KernelContext::KernelContext(const LaunchContext& launch, const EmulatedProgram::KernelInstance& instance)
    : KernelSite(launch, instance),
      layout_(launch.program.layout()),
      l1_(launch.worker_cores.l1(instance.core)),
      noc_coordinates_(launch.chip.noc(instance.core)),
      circular_buffers_(*this, wait_),
      rules_(*this, circular_buffers_.pages()),
      noc_(*this, rules_),
      wait_(*this, noc_),
      semaphores_(*this, wait_) {}

void KernelContext::run() {
  current_kernel = this;
  try {
    check_fault(guard_.run(instance_.function, launch_.scheduler.stop()));
    noc_.check_idle();
    launch_.traffic.add(noc_.dram_traffic());
  } catch (const Aborted&) {
    // The kernel that failed has reported it.
  } catch (const DeviceError&) {
    launch_.scheduler.abort(std::current_exception());
  } catch (const std::exception& error) {
    launch_.scheduler.abort(std::make_exception_ptr(DeviceError(str(who(), ": threw: ", error.what()))));
  } catch (...) {
    launch_.scheduler.abort(std::make_exception_ptr(DeviceError(str(who(), ": threw something unknown"))));
  }
  current_kernel = nullptr;
}

void KernelContext::check_fault(Fault fault) const {
  switch (fault) {
    case Fault::kNone:
      return;
    case Fault::kStopped:
      throw Aborted();
    case Fault::kAddress:
      fail(
          "expected pointers to what is there, got a null pointer or another one that leads nowhere; the chip gives no "
          "signal for it");
    case Fault::kStack:
      fail("expected what the stack has room for, got more: a recursion without end, or large arrays");
    case Fault::kArithmetic:
      fail("expected a divisor that is not 0; the chip gives no signal for it");
    case Fault::kInstruction:
      fail("came to an instruction that the compiler put where what the kernel does is undefined");
  }
}

uint32_t KernelContext::argument(const char* kind, std::span<const uint32_t> arguments, int64_t index) const {
  if (index < 0 || static_cast<uint64_t>(index) >= arguments.size()) {
    fail(str("expected the index of a ", kind, " argument below ", arguments.size(), ", got ", index));
  }
  return arguments[static_cast<size_t>(index)];
}

uint32_t KernelContext::runtime_arg(int index) const {
  return argument("run-time", *instance_.runtime_args, index);
}

uint32_t KernelContext::common_arg(int index) const {
  return argument("common run-time", launch_.common_args, index);
}

uint32_t KernelContext::compile_arg(uint32_t index) const {
  return argument("compile-time", instance_.kernel->compile_args, index);
}

std::byte* KernelContext::use(
    const Window& window, uint32_t address, uint64_t offset, uint32_t size, uint32_t alignment, Access access) const {
  const uint64_t first = address + offset;
  if (first % alignment != 0) {
    fail(str("expected an L1 address aligned to ", alignment, " bytes, got ", first));
  }
  const L1Layout::Region& region = layout_.at(window.address);
  if (region.size == 0) {
    fail(str("expected an L1 address in one of the program's regions (", layout_.describe(), "), got ", address));
  }
  if (!region.contains(first, size)) {
    fail(str("expected an access inside ", describe(region), ", got ", size, " bytes at ", first));
  }
  if (rules_.on()) {
    rules_.use(region, static_cast<uint32_t>(first), size, access);
  }
  return l1_ + first;
}

}  // namespace moe::tt::runtime::emulated
