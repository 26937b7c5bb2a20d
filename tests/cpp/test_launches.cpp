// Kernels that keep the rules, alone and together, and what a launch leaves behind.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

std::vector<uint32_t> plus(std::vector<uint32_t> words, uint32_t addend) {
  for (uint32_t& word : words) {
    word += addend;
  }
  return words;
}

void set_noc_coordinates(std::vector<uint32_t>& args, size_t at, const Device& device, uint32_t core) {
  auto [x, y] = device.noc_coordinates(core);
  args[at] = x;
  args[at + 1] = y;
}

// Adds 5 to each word with all cores and both processors.
void add_with_all_cores(Device& device) {
  const uint32_t num_cores = device.properties().num_cores();
  const uint32_t page_size = 256;
  const uint32_t num_pages = 3 * 2 * num_cores;
  auto words = iota(num_pages * page_size / 4);
  auto source = to_device(device, words, page_size);
  auto target = device.allocate(source->size(), page_size);
  ProgramDescription description{"add", {0, num_cores}, {{0, page_size}, {1, page_size}}, {}, {}};
  for (Processor processor : {Processor::kRiscv0, Processor::kRiscv1}) {
    Kernel add = kernel("add_to_pages", {}, {0, num_cores}, processor);
    add.compile_args = accessor_args({source, target});
    add.compile_args.insert(add.compile_args.begin(), 5);
    for (uint32_t core = 0; core < num_cores; ++core) {
      add.runtime_args[core] = {(2 * core + static_cast<uint32_t>(processor)) * 3, 3};
    }
    description.kernels.push_back(add);
  }
  launch(device, description, {source, target}, {source->address(), target->address()});
  CHECK(to_host(device, target) == plus(words, 5));
  CHECK(to_host(device, source) == words);
}

// Kernels on many cores, each waiting for the others again and again.
ProgramDescription meeting(const Device& device, uint32_t rounds) {
  const uint32_t num_cores = device.properties().num_cores();
  ProgramDescription description{"meet", {0, num_cores}, {}, {0, 0}, {}};
  for (Processor processor : {Processor::kRiscv0, Processor::kRiscv1}) {
    std::vector<uint32_t> args{0, 0, num_cores, rounds};
    set_noc_coordinates(args, 0, device, 0);
    description.kernels.push_back(kernel("meet", args, {0, num_cores}, processor));
  }
  return description;
}

}  // namespace

TEST(all_cores_of_wormhole_work) {
  add_with_all_cores(*open_wormhole());
}

TEST(all_cores_of_blackhole_work) {
  add_with_all_cores(*open_blackhole());
}

TEST(transfers_with_state) {
  auto device = open_wormhole();
  auto words = iota(64);
  auto source = to_device(*device, words, 256);
  auto target = device->allocate(256, 256);
  Kernel copy = kernel("copy_page_with_state");
  copy.compile_args = accessor_args({source, target});
  launch(*device, {"copy", {}, {{0, 256}}, {}, {copy}}, {source, target}, {source->address(), target->address()});
  CHECK(to_host(*device, target) == words);
}

TEST(the_firmware_keeps_zeros) {
  for (const auto& open : {open_wormhole, open_blackhole}) {
    auto device = open();
    auto target = to_device(*device, iota(256), 1024);
    Kernel zero = kernel("zero_page");
    zero.compile_args = accessor_args({target});
    launch(*device, {"zero", {}, {{0, 1024}}, {}, {zero}}, {target}, {target->address()});
    CHECK(to_host(*device, target) == std::vector<uint32_t>(256, 0));
  }
}

TEST(a_circular_buffer_joins_two_processors) {
  auto device = open_wormhole();
  const uint32_t num_cores = 5;
  const uint32_t pages = 23;
  auto words = iota(num_cores * pages * 16);
  auto source = to_device(*device, words, 64);
  auto target = device->allocate(source->size(), 64);
  Kernel produce = kernel("produce_pages", {}, {0, num_cores}, Processor::kRiscv1);
  Kernel consume = kernel("consume_pages", {}, {0, num_cores}, Processor::kRiscv0);
  for (uint32_t core = 0; core < num_cores; ++core) {
    produce.runtime_args[core] = consume.runtime_args[core] = {core * pages, pages};
  }
  produce.compile_args = accessor_args({source});
  consume.compile_args = accessor_args({target});
  ProgramDescription description{"copy", {0, num_cores}, {{0, 64, 3}}, {}, {produce, consume}};
  launch(*device, description, {source, target}, {source->address(), target->address()});
  CHECK(to_host(*device, target) == words);
}

TEST(a_value_passes_through_all_cores) {
  auto device = open_wormhole();
  const uint32_t num_cores = device->properties().num_cores();
  auto target = device->allocate(32, 32);
  Kernel pass = kernel("pass_around", {}, {0, num_cores});
  pass.compile_args = accessor_args({target});
  for (uint32_t core = 0; core < num_cores; ++core) {
    std::vector<uint32_t> args{0, 0, core == 0};
    set_noc_coordinates(args, 0, *device, (core + 1) % num_cores);
    pass.runtime_args[core] = args;
  }
  launch(*device, {"ring", {0, num_cores}, {{0, 32}}, {0}, {pass}}, {target}, {target->address()});
  CHECK_EQ(to_host(*device, target)[0], num_cores);
}

TEST(one_core_sends_to_all_and_collects_answers) {
  for (bool wormhole : {true, false}) {
    auto device = wormhole ? open_wormhole() : open_blackhole();
    const uint32_t num_cores = device->properties().num_cores();
    const uint32_t columns = device->properties().grid_x;
    auto target = device->allocate(num_cores * 64, 64);
    std::vector<uint32_t> rectangle{0, 0, 0, 0, num_cores - 1};
    set_noc_coordinates(rectangle, 0, *device, 0);
    set_noc_coordinates(rectangle, 2, *device, num_cores - 1);
    Kernel send = kernel("send_to_all", rectangle);
    Kernel receive = kernel("receive_and_answer", {}, {1, num_cores - 1});
    receive.compile_args = accessor_args({target});
    for (uint32_t core = 1; core < num_cores; ++core) {
      std::vector<uint32_t> args{0, 0, core};
      set_noc_coordinates(args, 0, *device, 0);
      receive.runtime_args[core - 1] = args;
    }
    launch(*device, {"star", {0, num_cores}, {{0, 64}}, {0, 0}, {send, receive}}, {target}, {target->address()});
    auto words = to_host(*device, target);
    for (uint32_t core = 1; core < num_cores; ++core) {
      CHECK_EQ(words[core * 16], 100 + core % columns + 10 * (core / columns));
      CHECK_EQ(words[core * 16 + 15], 115u);
    }
  }
}

TEST(kernels_know_where_they_are) {
  auto device = open_wormhole();
  auto target = device->allocate(2 * 32, 32);
  Kernel who = kernel("who_am_i", {}, {13, 2}, Processor::kRiscv1);
  who.compile_args = accessor_args({target});
  who.compile_args.push_back(42);
  who.runtime_args = {{0, 7}, {1, 8}};
  launch(*device, {"who", {13, 2}, {{0, 32}}, {0, 0}, {who}}, {target}, {target->address()});
  auto words = to_host(*device, target);
  CHECK((words == std::vector<uint32_t>{5, 1, 23, 19, 42, 7, 1, 16, 6, 1, 24, 19, 42, 8, 1, 16}));
}

TEST(transfers_happen_as_late_as_they_may) {
  Environment checks("TORCH_TT_EMULATED_CHECKS", "some");  // all refuse what shows the time
  auto device = open_wormhole();
  auto source = to_device(*device, iota(8, 77), 32);
  auto target = device->allocate(32, 32);
  Kernel time = kernel("time_of_transfers");
  time.compile_args = accessor_args({source, target});
  launch(
      *device,
      {"time", {}, {{0, 32}, {1, 32}, {2, 32}}, {}, {time}},
      {source, target},
      {source->address(), target->address()});
  auto words = to_host(*device, target);
  CHECK_EQ(words[0], 0xA5A5A5A5u);  // before the barrier of the read
  CHECK_EQ(words[1], 77u);
  CHECK_EQ(words[2], 2u);  // the source at the barrier
  CHECK_EQ(words[3], 2u);  // flushed, not arrived
  CHECK_EQ(words[4], 3u);  // the source at the flush
}

TEST(posted_writes_arrive_when_they_are_flushed) {
  Environment checks("TORCH_TT_EMULATED_CHECKS", "some");  // all refuse what shows the time
  auto device = open_wormhole();
  auto target = device->allocate(32, 32);
  Kernel time = kernel("time_of_posted_write");
  time.compile_args = accessor_args({target});
  launch(*device, {"time", {}, {{0, 32}, {1, 32}, {2, 32}}, {}, {time}}, {target}, {target->address()});
  auto words = to_host(*device, target);
  CHECK_EQ(words[0], 0u);
  CHECK_EQ(words[1], 2u);
}

TEST(every_way_to_signal) {
  auto device = open_wormhole();
  std::vector<uint32_t> to_second(2);
  std::vector<uint32_t> to_first(2);
  set_noc_coordinates(to_first, 0, *device, 0);
  set_noc_coordinates(to_second, 0, *device, 1);
  ProgramDescription description{"signals", {0, 2}, {}, {0, 0, 0}, {}};
  description.kernels.push_back(kernel("ways_to_signal", to_second, {0, 1}));
  description.kernels.push_back(kernel("ways_to_be_signalled", to_first, {1, 1}));
  CHECK_EQ(failure_of(*device, description), std::string());
}

TEST(a_program_can_be_launched_again) {
  auto device = open_wormhole();
  auto program = device->build(meeting(*device, 10));
  for (int i = 0; i < 5; ++i) {
    device->launch(program, {}, {});
  }
  device->synchronize();
  CHECK_EQ(device->num_launches(), 5u);
}

TEST(launches_and_transfers_keep_their_order) {
  auto device = open_wormhole();
  auto target = device->allocate(32, 32);
  for (uint32_t i = 0; i < 20; ++i) {
    Kernel fill = kernel("fill_page", {i, 0, 100});
    fill.compile_args = accessor_args({target});
    std::vector<std::shared_ptr<Buffer>> buffers{target};
    std::vector<uint32_t> common{target->address()};
    device->launch(device->build({"fill", {}, {{0, 32}}, {}, {fill}}), common, buffers);
    if (i % 2 == 0) {
      CHECK_EQ(to_host(*device, target)[7], i);
    } else {
      std::vector<uint32_t> words(8, 1000 + i);
      device->write(target, 0, std::as_bytes(std::span(words)));
      words.assign(8, 0);  // the source may be reused at once
      CHECK_EQ(to_host(*device, target)[7], 1000 + i);
    }
  }
}

TEST(failures_arrive_later_and_once) {
  auto device = open_wormhole();
  auto buffer = to_device(*device, iota(8), 32);
  auto failing = device->build({"p", {}, {}, {}, {kernel("throw_an_exception")}});
  auto also_failing = device->build({"p", {}, {}, {}, {kernel("argument_that_is_not_there", {1})}});
  const std::string first = "program 'p': kernel 'throw_an_exception' on core (0, 0), riscv0: threw: surprise";
  device->launch(failing, {}, {});
  device->launch(also_failing, {}, {});
  CHECK_THROWS(DeviceError, device->synchronize(), first);
  device->synchronize();
  device->launch(failing, {}, {});
  CHECK_THROWS(DeviceError, to_host(*device, buffer), first);
  CHECK(to_host(*device, buffer) == iota(8));
  add_with_all_cores(*device);
  device->launch(failing, {}, {});
  device->close();  // with a failure that nobody has seen
}

TEST(a_failing_kernel_unwinds_the_others) {
  auto device = open_wormhole();
  ProgramDescription description = meeting(*device, 3);
  // Core 5 fails instead of coming to the meeting.
  description.kernels[0].cores.count = 5;
  description.kernels[0].runtime_args.resize(5);
  description.kernels.push_back(kernel("argument_that_is_not_there", {0}, {5, 1}));
  CHECK_EQ(
      failure_of(*device, description),
      std::string(
          "program 'meet': kernel 'argument_that_is_not_there' on core (5, 0), riscv0: expected the index of a "
          "run-time "
          "argument below 1, got 1"));
}

TEST(buffers_live_until_the_launch_has_ended) {
  auto device = open_wormhole();
  auto target = device->allocate(32, 32);
  Kernel fill = kernel("fill_page", {3, 0, 100000});
  fill.compile_args = accessor_args({target});
  std::vector<std::shared_ptr<Buffer>> buffers{target};
  std::vector<uint32_t> common{target->address()};
  uint32_t address = target->address();
  target.reset();
  device->launch(device->build({"fill", {}, {{0, 32}}, {}, {fill}}), common, buffers);
  buffers.clear();
  CHECK(device->allocate(32, 32)->address() != address);
  device->synchronize();
  CHECK_EQ(device->allocate(32, 32)->address(), address);
}

TEST(calls_may_come_from_any_thread) {
  auto device = open_wormhole();
  std::vector<std::thread> threads;
  std::vector<std::string> failures(4);
  for (uint32_t i = 0; i < failures.size(); ++i) {
    threads.emplace_back([&, i] {
      for (uint32_t round = 0; round < 10; ++round) {
        auto target = to_device(*device, iota(64), 32);
        Kernel fill = kernel("fill_page", {i, 5, 10});
        fill.compile_args = accessor_args({target});
        std::vector<std::shared_ptr<Buffer>> buffers{target};
        std::vector<uint32_t> common{target->address()};
        device->launch(device->build({"fill", {}, {{0, 32}}, {}, {fill}}), common, buffers);
        auto words = to_host(*device, target);
        if (words[39] != 39 || words[40] != i || words[47] != i || words[48] != 48) {
          failures[i] = "wrong words";
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::string& failure : failures) {
    CHECK_EQ(failure, std::string());
  }
  CHECK_EQ(device->num_launches(), 40u);
}

// What a launch costs: nothing to wait for, and everybody waiting for everybody.
TEST_ON_DEMAND(cost_of_launches) {
  for (uint32_t rounds : {0u, 1u, 10u}) {
    auto device = open_wormhole();
    auto program = device->build(meeting(*device, rounds));
    const int count = 200;
    device->launch(program, {}, {});
    device->synchronize();
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      device->launch(program, {}, {});
    }
    device->synchronize();
    std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    std::printf("%u meetings of 72 x 2 kernels: %.0f us a launch\n", rounds, time.count() / count);
  }
}
