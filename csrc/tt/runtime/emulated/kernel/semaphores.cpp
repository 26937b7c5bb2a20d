#include "tt/runtime/emulated/kernel/semaphores.h"

#include <atomic>
#include <cstddef>

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

uint32_t* word(volatile uint32_t* semaphore) {
  return const_cast<uint32_t*>(semaphore);
}

}  // namespace

uint32_t Semaphores::address(uint32_t id) const {
  const L1Layout& layout = kernel_.layout();
  if (id >= layout.num_semaphores()) {
    kernel_.fail(str("expected the id of a semaphore below ", layout.num_semaphores(), ", got ", id));
  }
  return layout.semaphore_address(id);
}

const L1Layout::Region& Semaphores::at(const volatile uint32_t* pointer) const {
  const LaunchContext& launch = kernel_.launch();
  auto address =
      reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(launch.worker_cores.l1(kernel_.core()));
  if (address >= launch.chip.properties.l1_size) {
    kernel_.fail(
        "expected a pointer into the core's L1, got another one; take it from "
        "CoreLocalMem<...>(address).get_unsafe_ptr()");
  }
  const L1Layout::Region& region = kernel_.layout().at(static_cast<uint32_t>(address));
  if (!region.is_semaphore || region.address != address) {
    kernel_.fail(str("expected the address of a semaphore (", kernel_.layout().describe(), "), got ", address));
  }
  return region;
}

void Semaphores::set(volatile uint32_t* semaphore, uint32_t value) const {
  kernel_.check_aborted();
  at(semaphore);
  kernel_.order_set(reinterpret_cast<const std::byte*>(word(semaphore)), value);
  std::atomic_ref<uint32_t>(*word(semaphore)).store(value, std::memory_order_release);
  kernel_.launch().scheduler.signal(kernel_.core());
}

void Semaphores::wait(volatile uint32_t* semaphore, uint32_t value) const {
  wait_.until(Condition::semaphore_equal(at(semaphore).index, word(semaphore), value));
}

void Semaphores::wait_min(volatile uint32_t* semaphore, uint32_t value) const {
  wait_.until(Condition::semaphore_at_least(at(semaphore).index, word(semaphore), value));
}

}  // namespace moe::tt::runtime::emulated
