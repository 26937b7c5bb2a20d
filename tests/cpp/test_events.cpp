// Events: to wait for one is not to wait for the queue.

#include <atomic>
#include <chrono>

#include "device.h"
#include "testing.h"

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
