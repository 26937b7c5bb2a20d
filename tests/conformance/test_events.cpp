// Places in the queue, and how much memory is taken.

#include <memory>
#include <span>
#include <vector>

#include "open_device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

TEST(an_event_has_ended_when_what_was_before_it_has) {
  auto device = open_device();
  const auto source = to_device(*device, iota(4096), 1024);
  const auto target = device->allocate(source->size(), 1024);
  const auto program = device->build(copy(*device, *source));
  for (uint32_t round = 0; round < 3; ++round) {
    device->launch(program, copy_args(*source, *target), std::vector{source, target});
    const auto event = device->record();
    device->launch(program, copy_args(*target, *source), std::vector{target, source});
    device->wait(event);
    CHECK(device->query(event));
    CHECK(to_host(*device, target) == iota(4096));
    device->synchronize();
    CHECK(device->query());
  }
}

TEST(events_of_an_idle_queue_have_ended) {
  auto device = open_device();
  CHECK(device->query() || (device->synchronize(), device->query()));
  const auto event = device->record();
  device->wait(event);
  CHECK(device->query(event));
  CHECK(device->query());
}

TEST(timed_events_are_in_order) {
  auto device = open_device();
  const auto program = device->build(nothing());
  const auto first = device->record(true);
  device->launch(program, {}, {});
  const auto second = device->record(true);
  CHECK(device->time_of(first) <= device->time_of(second));
  CHECK_THROWS(
      DeviceError,
      device->time_of(device->record()),
      "expected an event that was recorded as a timed one, got one that was not");
}

TEST(events_outlive_the_device) {
  auto device = open_device();
  auto event = device->record();
  device.reset();
  event.reset();
  auto other = open_other_device();
  device = open_device();
  event = other->record();
  CHECK(!message_of<DeviceError>([&] { device->wait(event); }).empty());
}

TEST(memory_is_taken_in_every_bank) {
  auto device = open_device();
  const DeviceProperties& properties = device->properties();
  const DramUsage before = device->dram_usage();
  CHECK_EQ(before.banks, uint64_t{properties.dram_banks});
  CHECK(before.free <= properties.dram_size);
  CHECK(before.largest * before.banks <= before.free);
  auto buffer = device->allocate(1, 1024);
  CHECK_EQ(device->dram_usage().free, before.free - uint64_t{1024} * before.banks);
  buffer = device->allocate((before.banks + 1) * 1024, 1024);
  CHECK_EQ(device->dram_usage().free, before.free - uint64_t{2048} * before.banks);
  buffer.reset();
  device->synchronize();
  CHECK_EQ(device->dram_usage().free, before.free);
}
