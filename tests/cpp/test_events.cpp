// Events: to wait for one is not to wait for the queue. And the queue, which is bounded.

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "device.h"
#include "testing.h"
#include "tt/runtime/capture.h"
#include "tt/runtime/emulated/execution/command_queue.h"

namespace testing {

extern std::atomic<bool> may_end;  // of the kernel wait_for_the_host

}  // namespace testing

using namespace moe::tt::runtime;
using namespace testing;

namespace {

void let_end() {
  may_end = true;
  may_end.notify_all();
}

}  // namespace

TEST(an_event_does_not_wait_for_what_is_behind_it) {
  may_end = false;
  auto device = open_wormhole();
  const auto nothing = device->build({"p", {}, {}, {}, {kernel("nothing")}});
  const auto waiting = device->build({"w", {}, {}, {}, {kernel("wait_for_the_host")}});
  device->launch(nothing, {}, {});
  const auto before = device->record();
  device->launch(waiting, {}, {});
  const auto behind = device->record();
  device->wait(before);
  CHECK(device->query(before));
  CHECK(!device->query(behind));
  CHECK(!device->query());
  let_end();
  device->wait(behind);
  CHECK(device->query(behind));
  CHECK(device->query());
}

TEST(a_timed_event_has_the_time_when_the_queue_came_to_it) {
  may_end = false;
  auto device = open_wormhole();
  const auto waiting = device->build({"w", {}, {}, {}, {kernel("wait_for_the_host")}});
  const auto begin = device->record(true);
  device->launch(waiting, {}, {});
  const auto end = device->record(true);
  device->wait(begin);
  const auto released = std::chrono::steady_clock::now();
  let_end();
  CHECK(device->time_of(begin) <= released);
  CHECK(device->time_of(end) >= released);
}

// As many timed events as the queue takes, which are quick, wait behind a launch.
TEST(a_full_queue_lets_who_enqueues_wait) {
  may_end = false;
  auto device = open_wormhole();
  const auto nothing = device->build({"p", {}, {}, {}, {kernel("nothing")}});
  device->launch(nothing, {}, {});
  device->synchronize();
  CHECK(device->has_room());
  device->launch(device->build({"w", {}, {}, {}, {kernel("wait_for_the_host")}}), {}, {});
  for (size_t i = 0; i < emulated::CommandQueue::kMostCommands; ++i) {
    device->record(true);
  }
  CHECK(!device->has_room());

  std::atomic<bool> launched = false;
  std::thread launching([&] {
    device->launch(nothing, {}, {});
    launched = true;
  });
  // An interrupt ends a wait, and a capture enqueues nothing.
  CHECK_THROWS(
      std::runtime_error, device->wait_for_room([] { throw std::runtime_error("interrupted"); }), "interrupted");
  auto capture = device->begin_capture();
  CHECK(device->has_room());
  device->launch(nothing, {}, {});
  const auto graph = device->end_capture(capture);
  CHECK_EQ(graph->launches().size(), 1u);
  CHECK(!launched);

  let_end();
  launching.join();
  device->replay(graph);
  device->synchronize();
  CHECK(device->has_room());
  CHECK_EQ(device->num_launches(), 4u);
}

TEST(a_queue_takes_so_many_bytes) {
  std::atomic<bool> may_go_on = false;
  emulated::CommandQueue queue;
  queue.enqueue([&] { may_go_on.wait(false); });
  queue.enqueue([] {}, emulated::CommandQueue::kMostBytes - 1);
  CHECK(queue.wait_for_room(std::chrono::milliseconds(0)));
  queue.enqueue([] {}, 1);
  CHECK(!queue.wait_for_room(std::chrono::milliseconds(1)));
  may_go_on = true;
  may_go_on.notify_all();
  CHECK(queue.wait_for_room(std::chrono::minutes(1)));
  queue.run([] {});
}

TEST(an_event_leaves_failures_to_those_who_wait_for_all) {
  auto device = open_wormhole();
  const auto failing = device->build({"p", {}, {}, {}, {kernel("throw_an_exception")}});
  device->launch(failing, {}, {});
  const auto event = device->record();
  device->wait(event);
  CHECK(device->query(event));
  CHECK_THROWS(
      DeviceError,
      device->synchronize(),
      "program 'p': kernel 'throw_an_exception' on core (0, 0), riscv0: threw: surprise");
}
