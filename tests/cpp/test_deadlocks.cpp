// Kernels that wait for each other, or for something that no kernel does.

#include <string>
#include <vector>

#include "device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

TEST(a_deadlock_is_reported_with_who_waits_for_what) {
  auto device = open_wormhole();
  ProgramDescription description{"p", {0, 10}, {{3, 16}, {0, 16, 4}}, {1, 0}, {}};
  description.kernels = {
      kernel("wait_for_nobody", {4}, {0, 1}),
      kernel("wait_front_for_nobody", {}, {9, 1}, Processor::kRiscv0),
      kernel("reserve_for_nobody", {}, {8, 1}, Processor::kRiscv1),
      kernel("nothing", {}, {1, 7}),
  };
  CHECK_EQ(
      failure_of(*device, description),
      std::string(
          "program 'p': deadlock: 3 kernels wait and no other kernel runs\n"
          "  kernel 'wait_for_nobody' on core (0, 0), riscv0 waits for semaphore 0 to be at least 4, it is 1\n"
          "  kernel 'reserve_for_nobody' on core (0, 1), riscv1 waits for 1 free pages in circular buffer 0, "
          "there are 0\n"
          "  kernel 'wait_front_for_nobody' on core (1, 1), riscv0 waits for 2 pages in circular buffer 0, "
          "there are 0"));
  // The next launch is unaffected.
  CHECK_EQ(failure_of(*device, {"p", {}, {}, {}, {kernel("nothing")}}), std::string());
}

TEST(writes_that_were_not_flushed_are_told) {
  auto device = open_wormhole();
  ProgramDescription description{"p", {0, 2}, {}, {0, 0}, {}};
  for (uint32_t core : {0u, 1u}) {
    auto [x, y] = device->noc_coordinates(1 - core);
    description.kernels.push_back(kernel("wait_without_flush", {x, y}, {core, 1}));
  }
  CHECK_EQ(
      failure_of(*device, description),
      std::string(
          "program 'p': deadlock: 2 kernels wait and no other kernel runs\n"
          "  kernel 'wait_without_flush' on core (0, 0), riscv0 (with 1 write(s) that were not flushed) waits "
          "for semaphore 0 to be 1, it is 0\n"
          "  kernel 'wait_without_flush' on core (1, 0), riscv0 (with 1 write(s) that were not flushed) waits "
          "for semaphore 0 to be 1, it is 0"));
}

TEST(a_deadlock_of_many_is_reported_briefly) {
  auto device = open_wormhole();
  ProgramDescription description{"p", {0, 72}, {}, {0}, {kernel("wait_for_nobody", {1}, {0, 72})}};
  std::string message = failure_of(*device, description);
  CHECK(message.starts_with("program 'p': deadlock: 72 kernels wait and no other kernel runs\n"));
  CHECK(message.ends_with("\n  and 56 more"));
}

TEST(waiting_is_no_deadlock_while_one_works) {
  auto device = open_wormhole();
  for (int i = 0; i < 30; ++i) {
    ProgramDescription description{"p", {0, 72}, {{0, 32}}, {0, 0}, {}};
    auto [x, y] = device->noc_coordinates(0);
    for (Processor processor : {Processor::kRiscv0, Processor::kRiscv1}) {
      description.kernels.push_back(kernel("meet", {x, y, 72, 3}, {0, 72}, processor));
    }
    CHECK_EQ(failure_of(*device, description), std::string());
  }
}
