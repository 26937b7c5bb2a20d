// Kernels that the host's processor stops, and kernels that nothing stops. The sanitizers see to it that they reach the
// instruction at fault.

#include "kernel.h"

namespace {

[[gnu::noinline, gnu::no_sanitize("undefined", "thread")]] uint32_t quotient(uint32_t dividend, uint32_t divisor) {
  return dividend / divisor;
}

[[gnu::noinline, gnu::no_sanitize("undefined", "thread")]] uint32_t load(const volatile uint32_t* pointer) {
  return *pointer;
}

[[gnu::noinline]] uint32_t descend(uint32_t depth, const volatile uint32_t& deepest) {
  volatile uint32_t frame[1024];
  frame[depth % 1024] = depth;
  return depth == deepest ? depth : descend(depth + 1, deepest) + frame[depth % 1024];
}

volatile uint32_t* semaphore(uint32_t id) {
  return CoreLocalMem<volatile uint32_t>(get_semaphore(id)).get_unsafe_ptr();
}

}  // namespace

// (dividend, divisor)
TEST_KERNEL(divide) {
  noc_semaphore_set(semaphore(0), quotient(get_arg_val<uint32_t>(0), get_arg_val<uint32_t>(1)));
}

// (address on the host)
TEST_KERNEL(load_from_host_address) {
  const uintptr_t address = get_arg_val<uint32_t>(0);
  noc_semaphore_set(semaphore(0), load(reinterpret_cast<const volatile uint32_t*>(address)));
}

TEST_KERNEL(recurse) {
  const volatile uint32_t deepest = 0xFFFFFFFF;
  noc_semaphore_set(semaphore(0), descend(0, deepest));
}

TEST_KERNEL(loop_without_end) {
  while (true) {
    asm volatile("");
  }
}

TEST_KERNEL(poll_for_nobody) {
  while (*semaphore(0) == 0) {
  }
}

TEST_KERNEL(trap) {
  __builtin_trap();
}
