// Kernels that fault or never end: errors of their launch, by name, and nothing else comes to harm.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "device.h"
#include "testing.h"
#include "tt/runtime/emulated/execution/tsan.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

std::string fault_of(Device& device, const std::string& name, std::vector<uint32_t> args = {}) {
  const std::string who = "program 'p': kernel '" + name + "' on core (1, 0), riscv1: ";
  std::string message =
      failure_of(device, {"p", {0, 3}, {}, {0}, {kernel(name, std::move(args), {1, 1}, Processor::kRiscv1)}});
  return message.starts_with(who) ? message.substr(who.size()) : "who? " + message;
}

}  // namespace

TEST(faults_are_errors_of_their_launch) {
  auto device = open_wormhole();
  const std::string nowhere =
      "expected pointers to what is there, got a null pointer or another one that leads nowhere; the chip gives no "
      "signal for it";
  for (int i = 0; i < 2; ++i) {
    CHECK_EQ(
        fault_of(*device, "divide", {1, 0}),
        std::string("expected a divisor that is not 0; the chip gives no signal for it"));
    CHECK_EQ(fault_of(*device, "load_from_host_address", {0}), nowhere);
    CHECK_EQ(fault_of(*device, "load_from_host_address", {4096}), nowhere);
    CHECK_EQ(
        fault_of(*device, "trap"),
        std::string("came to an instruction that the compiler put where what the kernel does is undefined"));
    if (!emulated::kThreadSanitizer) {  // which keeps a stack of its own, of a fixed depth
      CHECK_EQ(
          fault_of(*device, "recurse"),
          std::string("expected what the stack has room for, got more: a recursion without end, or large arrays"));
    }
  }
  CHECK_EQ(failure_of(*device, {"p", {}, {}, {0}, {kernel("divide", {6, 3})}}), std::string());
}

TEST(a_fault_unwinds_the_others) {
  auto device = open_wormhole();
  ProgramDescription description{"p", {0, 3}, {}, {0}, {}};
  description.kernels = {kernel("wait_for_nobody", {1}, {0, 2}), kernel("divide", {1, 0}, {2, 1})};
  CHECK_EQ(
      failure_of(*device, description),
      std::string(
          "program 'p': kernel 'divide' on core (2, 0), riscv0: expected a divisor that is not 0; the chip "
          "gives no signal for it"));
}

TEST(what_does_not_end_is_an_error) {
  if (emulated::kThreadSanitizer) {
    return;  // it delivers signals late: not to a loop that calls nothing
  }
  Environment time("TORCH_TT_EMULATED_TIMEOUT", "1");
  auto device = open_wormhole();
  ProgramDescription description{"p", {0, 4}, {}, {0}, {}};
  description.kernels = {
      kernel("loop_without_end", {}, {0, 1}),
      kernel("poll_for_nobody", {}, {1, 1}, Processor::kRiscv1),
      kernel("wait_for_nobody", {1}, {2, 1}),
      kernel("nothing", {}, {3, 1}),
  };
  CHECK_EQ(
      failure_of(*device, description),
      std::string(
          "program 'p': did not end within the 1 s that TORCH_TT_EMULATED_TIMEOUT allows a launch\n"
          "  kernel 'loop_without_end' on core (0, 0), riscv0 still runs\n"
          "  kernel 'poll_for_nobody' on core (1, 0), riscv1 still runs\n"
          "  kernel 'wait_for_nobody' on core (2, 0), riscv0 waits for semaphore 0 to be at least 1, it is 0"));
  CHECK_EQ(failure_of(*device, {"p", {}, {}, {}, {kernel("nothing")}}), std::string());
}

// As Ctrl-C does, by what Python's bindings give to a wait.
TEST(a_wait_for_what_does_not_end_is_interrupted) {
  if (emulated::kThreadSanitizer) {
    return;  // as above
  }
  Environment time("TORCH_TT_EMULATED_TIMEOUT", "1");
  auto device = open_wormhole();
  device->launch(device->build({"p", {}, {}, {}, {kernel("loop_without_end")}}), {}, {});
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS(std::runtime_error, device->synchronize([] { throw std::runtime_error("interrupted"); }), "interrupted");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500));
  CHECK(!device->query());
  CHECK_THROWS(
      DeviceError,
      device->synchronize(),
      "program 'p': did not end within the 1 s that TORCH_TT_EMULATED_TIMEOUT allows a launch\n"
      "  kernel 'loop_without_end' on core (0, 0), riscv0 still runs");
}

TEST_ON_DEMAND(crash_outside_of_kernels) {
  signal(SIGSEGV, [](int) { _exit(77); });  // as Python's faulthandler
  auto device = open_wormhole();
  raise(SIGSEGV);
}

TEST(faults_elsewhere_go_to_who_handled_them) {
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "cpp_tests", "crash_outside_of_kernels", nullptr);
    _exit(1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 77);
}
