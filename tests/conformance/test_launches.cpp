// What kernels are given, and the order of the queue.

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "open_device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

TEST(kernels_get_their_arguments) {
  auto device = open_device();
  const uint32_t columns = device->properties().grid_x;
  const uint32_t page_size = device->properties().dram_alignment;
  // From the end of the first row on, over more than one.
  const Cores cores{columns - 2, columns + 4};
  const auto target = device->allocate(uint64_t{2} * cores.count * page_size, page_size);
  ProgramDescription description{"args", cores, {{0, page_size}, {1, page_size}}, {}, {}};
  for (const Processor processor : {Processor::kRiscv0, Processor::kRiscv1}) {
    Kernel write = kernel("write_args", {}, cores, processor);
    write.compile_args = device->tensor_accessor_args();
    write.compile_args.push_back(40 + static_cast<uint32_t>(processor));
    for (uint32_t i = 0; i < cores.count; ++i) {
      const uint32_t page = 2 * i + static_cast<uint32_t>(processor);
      write.runtime_args[i] = {page, 1000 + page};
    }
    description.kernels.push_back(write);
  }
  const auto program = device->build(description);
  // A program is launched again with other common arguments.
  for (const uint32_t common : {7u, 8u}) {
    device->launch(program, std::vector<uint32_t>{target->address(), page_size, common}, std::vector{target});
    const std::vector<uint32_t> words = to_host(*device, target);
    for (uint32_t page = 0; page < 2 * cores.count; ++page) {
      const uint32_t core = cores.first + page / 2;
      const std::vector<uint32_t> expected{
          1000 + page, common, 40 + page % 2, core % columns, core / columns, page % 2};
      const auto first = words.begin() + page * page_size / 4;
      CHECK(std::vector<uint32_t>(first, first + 6) == expected);
    }
  }
}

TEST(a_semaphore_joins_two_cores) {
  auto device = open_device();
  const uint32_t page_size = 256;
  const uint32_t last = device->properties().num_cores() - 1;
  const auto target = device->allocate(page_size, page_size);
  const auto [x, y] = device->noc_coordinates(last);
  Kernel receive = kernel("receive_page", {}, {last, 1});
  receive.compile_args = device->tensor_accessor_args();
  ProgramDescription description{
      "join",
      {0, last + 1},
      {{0, page_size}, {1, page_size}},
      {0, 6},
      {kernel("send_page", {x, y, 100, page_size}), receive}};
  const auto program = device->build(description);
  // Every launch begins with the semaphores' initial values.
  const std::vector<uint32_t> zeros(page_size / 4);
  for (uint32_t i = 0; i < 2; ++i) {
    device->write(target, 0, std::as_bytes(std::span(zeros)));
    device->launch(program, std::vector<uint32_t>{target->address(), page_size}, std::vector{target});
    CHECK(to_host(*device, target) == iota(page_size / 4, 100));
  }
}

TEST(the_queue_keeps_the_order) {
  auto device = open_device();
  const auto first = to_device(*device, iota(16), 64);
  const auto second = device->allocate(64, 64);
  const auto third = device->allocate(64, 64);
  const auto program = device->build(copy(*device, *first));
  for (uint32_t round = 1; round <= 3; ++round) {
    std::vector<uint32_t> words = iota(16, 100 * round);
    device->write(first, 0, std::as_bytes(std::span(words)));
    words.assign(16, 0);  // the source may be reused at once
    device->launch(program, copy_args(*first, *second), std::vector{first, second});
    device->launch(program, copy_args(*second, *third), std::vector{second, third});
    device->write(second, 0, std::as_bytes(std::span(words)));
    CHECK(to_host(*device, third) == iota(16, 100 * round));
    CHECK(to_host(*device, second) == words);
  }
}

TEST(two_programs_in_turn) {
  auto device = open_device();
  const auto small = to_device(*device, iota(16), 64);
  const auto large = to_device(*device, iota(2048, 5), 1024);
  const auto small_target = device->allocate(small->size(), 64);
  const auto large_target = device->allocate(large->size(), 1024);
  const auto copy_small = device->build(copy(*device, *small));
  const auto copy_large = device->build(copy(*device, *large));
  for (uint32_t round = 0; round < 2; ++round) {
    const std::vector<uint32_t> zeros(2048);
    device->write(small_target, 0, std::as_bytes(std::span(zeros).first(16)));
    device->write(large_target, 0, std::as_bytes(std::span(zeros)));
    device->launch(copy_small, copy_args(*small, *small_target), std::vector{small, small_target});
    device->launch(copy_large, copy_args(*large, *large_target), std::vector{large, large_target});
    CHECK(to_host(*device, small_target) == iota(16));
    CHECK(to_host(*device, large_target) == iota(2048, 5));
  }
}

TEST(launches_are_counted) {
  auto device = open_device();
  CHECK_EQ(device->num_launches(), 0u);
  const auto program = device->build(nothing());
  CHECK_EQ(device->num_launches(), 0u);
  for (uint32_t i = 1; i <= 3; ++i) {
    device->launch(program, {}, {});
    CHECK_EQ(device->num_launches(), i);
  }
  device->synchronize();
  CHECK_EQ(device->num_launches(), 3u);
}

TEST(a_queue_with_nothing_to_do_has_room) {
  auto device = open_device();
  CHECK(device->has_room());
  device->wait_for_room();
}
