// Launches that are captured, and replayed.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "open_device.h"
#include "testing.h"
#include "tt/runtime/capture.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

// Three buffers of a page, of which a graph copies the first to the second and that to the third.
struct Copies {
  explicit Copies(Device& device) : program(device.build(copy(device, *first(device)))) {
    for (auto& buffer : buffers) {
      buffer = to_device(device, iota(16, 7), 64);
    }
    launch(device);
  }

  static std::shared_ptr<Buffer> first(Device& device) {
    return device.allocate(64, 64);
  }

  void launch(Device& device) {
    device.launch(program, copy_args(*buffers[0], *buffers[1]), std::vector{buffers[0], buffers[1]});
    device.launch(program, copy_args(*buffers[1], *buffers[2]), std::vector{buffers[1], buffers[2]});
  }

  std::shared_ptr<Graph> capture(Device& device) {
    auto begun = device.begin_capture();
    launch(device);
    return device.end_capture(begun);
  }

  void write(Device& device, uint32_t buffer, uint32_t first_word) {
    const auto words = iota(16, first_word);
    device.write(buffers[buffer], 0, std::as_bytes(std::span(words)));
  }

  std::shared_ptr<Program> program;
  std::shared_ptr<Buffer> buffers[3];
};

}  // namespace

TEST(a_graph_runs_when_it_is_replayed) {
  auto device = open_device();
  Copies copies(*device);
  copies.write(*device, 2, 50);
  const uint64_t before = device->num_launches();
  copies.write(*device, 0, 100);
  const auto graph = copies.capture(*device);
  CHECK_EQ(graph->launches().size(), size_t{2});
  CHECK_EQ(device->num_launches(), before);
  CHECK(to_host(*device, copies.buffers[2]) == iota(16, 50));
  for (uint32_t round = 1; round <= 5; ++round) {
    copies.write(*device, 0, 100 * round);
    device->replay(graph);
    // In the queue like any launch, beside launches of the same program with other arguments.
    copies.write(*device, 0, 1);
    CHECK(to_host(*device, copies.buffers[2]) == iota(16, 100 * round));
    copies.launch(*device);
    CHECK(to_host(*device, copies.buffers[2]) == iota(16, 1));
    CHECK_EQ(device->num_launches(), before + 4 * round);
  }
}

TEST(graphs_in_turn) {
  auto device = open_device();
  Copies small(*device);
  Copies other(*device);
  const auto first = small.capture(*device);
  const auto second = other.capture(*device);
  for (uint32_t round = 1; round <= 3; ++round) {
    small.write(*device, 0, 10 * round);
    other.write(*device, 0, 1000 * round);
    device->replay(first);
    device->replay(second);
    CHECK(to_host(*device, small.buffers[2]) == iota(16, 10 * round));
    CHECK(to_host(*device, other.buffers[2]) == iota(16, 1000 * round));
  }
}

TEST(a_graph_keeps_its_buffers_and_programs) {
  auto device = open_device();
  auto copies = std::make_unique<Copies>(*device);
  const auto source = copies->buffers[0];
  const auto target = copies->buffers[2];
  const std::weak_ptr<Buffer> between = copies->buffers[1];
  CHECK(!source->is_captured());
  auto graph = copies->capture(*device);
  copies.reset();
  CHECK(!between.expired());
  CHECK(source->is_captured() && target->is_captured());
  const auto words = iota(16, 900);
  device->write(source, 0, std::as_bytes(std::span(words)));
  device->replay(graph);
  graph.reset();
  CHECK(to_host(*device, target) == words);
  CHECK(between.expired());
  CHECK(!source->is_captured() && !target->is_captured());
}

TEST(a_graph_gives_its_memory_back) {
  auto device = open_device();
  Copies copies(*device);
  copies.capture(*device).reset();
  device->synchronize();
  const uint64_t free = device->dram_usage().free;
  for (uint32_t i = 0; i < 3; ++i) {
    auto graph = copies.capture(*device);
    device->replay(graph);
    graph.reset();
    device->synchronize();
    CHECK_EQ(device->dram_usage().free, free);
  }
}

TEST(a_capture_without_launches) {
  auto device = open_device();
  auto capture = device->begin_capture();
  const auto graph = device->end_capture(capture);
  const uint64_t before = device->num_launches();
  device->replay(graph);
  device->synchronize();
  CHECK_EQ(device->num_launches(), before);
}

TEST(what_cannot_be_captured) {
  auto device = open_device();
  Copies copies(*device);
  const auto event = device->record();
  const auto graph = copies.capture(*device);
  std::vector<std::byte> bytes(64);
  const auto fresh = device->build(copy(*device, *copies.buffers[0]));
  const std::string not_a_launch = "a graph holds launches of kernels alone. Do it before the capture or after it";
  const std::vector<std::tuple<std::string, std::string, std::function<void()>>> refused{
      {"a copy from the host", not_a_launch, [&] { device->write(copies.buffers[0], 0, bytes); }},
      {"a copy to the host", not_a_launch, [&] { device->read(copies.buffers[0], 0, bytes); }},
      {"a wait for the device", not_a_launch, [&] { device->synchronize(); }},
      {"an event", not_a_launch, [&] { device->record(); }},
      {"a query of an event", not_a_launch, [&] { device->query(event); }},
      {"a query of the device", not_a_launch, [&] { device->query(); }},
      {"a wait for an event", not_a_launch, [&] { device->wait(event); }},
      {"a replay", not_a_launch, [&] { device->replay(graph); }},
      {"the first launch of program 'copy'",
       "run what is to be captured once before, with the same shapes and dtypes",
       [&] {
         device->launch(fresh, copy_args(*copies.buffers[0], *copies.buffers[1]), std::vector{copies.buffers[0]});
       }},
  };
  copies.write(*device, 0, 300);
  for (const auto& [what, advice, call] : refused) {
    auto capture = device->begin_capture();
    copies.launch(*device);
    const std::string reason = what + " cannot be captured: " + advice;
    CHECK_THROWS(DeviceError, call(), reason);
    CHECK(device->is_capturing());
    copies.launch(*device);
    CHECK_THROWS(DeviceError, device->end_capture(capture), "nothing was captured, since " + reason);
    CHECK(!device->is_capturing());
  }
  CHECK_EQ(device->num_captures(), 0u);
  // The device is as before, and the program that was refused may be launched.
  device->replay(graph);
  CHECK(to_host(*device, copies.buffers[2]) == iota(16, 300));
  device->launch(
      fresh, copy_args(*copies.buffers[0], *copies.buffers[1]), std::vector{copies.buffers[0], copies.buffers[1]});
  CHECK(to_host(*device, copies.buffers[1]) == iota(16, 300));
}

TEST(a_capture_is_one_threads) {
  auto device = open_device();
  Copies copies(*device);
  Copies others(*device);
  auto capture = device->begin_capture();
  const std::string device_0 = device->properties().runtime + " device 0";
  CHECK_THROWS(
      DeviceError, device->begin_capture(), "expected one capture of a thread on " + device_0 + ", got a second one");
  CHECK_EQ(device->num_captures(), 1u);
  copies.launch(*device);
  std::thread([&] {
    CHECK(!device->is_capturing());
    others.write(*device, 0, 40);
    others.launch(*device);
    CHECK(to_host(*device, others.buffers[2]) == iota(16, 40));
    CHECK_THROWS(
        DeviceError,
        device->end_capture(capture),
        "expected the capture that this thread began on " + device_0 +
            ", got another one: a capture ends on the thread that began it");
  }).join();
  const auto graph = device->end_capture(capture);
  CHECK_EQ(graph->launches().size(), size_t{2});
  copies.write(*device, 0, 77);
  // Any thread may replay it.
  std::thread([&] { device->replay(graph); }).join();
  CHECK(to_host(*device, copies.buffers[2]) == iota(16, 77));
}

TEST(a_capture_that_is_given_up_leaves_nothing) {
  auto device = open_device();
  Copies copies(*device);
  copies.write(*device, 2, 5);
  auto capture = device->begin_capture();
  copies.launch(*device);
  CHECK(copies.buffers[0]->is_captured());
  std::thread([given_up = std::move(capture)]() mutable { given_up.reset(); }).join();
  CHECK(!device->is_capturing());
  CHECK(!copies.buffers[0]->is_captured());
  CHECK(to_host(*device, copies.buffers[2]) == iota(16, 5));
}

TEST(a_graph_outlives_its_device) {
  auto device = open_device();
  auto copies = std::make_unique<Copies>(*device);
  const std::string device_0 = device->properties().runtime + " device 0";
  auto graph = copies->capture(*device);
  device->replay(graph);
  device.reset();
  device = open_device();
  CHECK_THROWS(DeviceError, device->replay(graph), "expected a graph of " + device_0 + ", got one of another device");
  graph.reset();
  copies.reset();
  Copies again(*device);
  const auto next = again.capture(*device);
  again.write(*device, 0, 11);
  device->replay(next);
  device->close();
  CHECK_THROWS(DeviceError, device->replay(next), device_0 + " is closed; nothing of it can be used any more");
}
