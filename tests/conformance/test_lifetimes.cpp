// What keeps what alive, and what is left of a closed device.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "open_device.h"
#include "testing.h"
#include "tt/support/str.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

TEST(a_launch_keeps_its_buffers_and_its_program) {
  auto device = open_device();
  auto source = to_device(*device, iota(4096), 1024);
  const auto target = device->allocate(source->size(), 1024);
  auto program = device->build(copy(*device, *source));
  device->launch(program, copy_args(*source, *target), std::vector{source, target});
  program.reset();
  source.reset();
  // Whoever gets the memory next writes to it after the launch.
  const auto next = to_device(*device, iota(4096, 5000), 1024);
  CHECK(to_host(*device, target) == iota(4096));
  CHECK(to_host(*device, next) == iota(4096, 5000));
}

TEST(memory_that_is_given_up_can_be_had_again) {
  auto device = open_device();
  const uint64_t size = device->properties().dram_size / 4 * 3;
  for (uint32_t i = 0; i < 3; ++i) {
    device->allocate(size, 1024);
  }
}

TEST(buffers_and_programs_outlive_the_device) {
  auto device = open_device();
  auto buffer = to_device(*device, iota(16), 64);
  auto program = device->build(nothing());
  device->launch(program, {}, {});
  device.reset();
  CHECK_EQ(buffer->size(), 64u);
  CHECK_EQ(program->name(), std::string("p"));
  // What is left of one device does not fit the next.
  device = open_device();
  const std::string device_0 = device->properties().runtime + " device 0, got one of another device";
  std::vector<std::byte> bytes(64);
  CHECK_THROWS(DeviceError, device->read(buffer, 0, bytes), "expected a buffer of " + device_0);
  CHECK_THROWS(DeviceError, device->launch(program, {}, {}), "expected a program of " + device_0);
  buffer.reset();
  program.reset();
  CHECK(to_host(*device, to_device(*device, iota(16), 64)) == iota(16));
}

TEST(a_device_has_its_chip_for_itself_until_it_closes) {
  auto device = open_device();
  const bool has_chip = device->properties().runtime == "metal";
  CHECK(device->chip_use() == (has_chip ? ChipUse::kOwned : ChipUse::kNone));
  device->close();
  CHECK(device->chip_use() == ChipUse::kNone);
}

TEST(a_closed_device_says_so) {
  auto device = open_device();
  const auto buffer = to_device(*device, iota(16), 64);
  const auto program = device->build(nothing());
  device->launch(program, {}, {});
  device->close();
  device->close();
  std::vector<std::byte> bytes(64);
  const std::string message =
      str(device->properties().runtime, " device 0 is closed; nothing of it can be used any more");
  CHECK_THROWS(DeviceError, device->allocate(64, 64), message);
  CHECK_THROWS(DeviceError, device->read(buffer, 0, bytes), message);
  CHECK_THROWS(DeviceError, device->write(buffer, 0, bytes), message);
  CHECK_THROWS(DeviceError, device->build(nothing()), message);
  CHECK_THROWS(DeviceError, device->launch(program, {}, {}), message);
  CHECK_THROWS(DeviceError, device->synchronize(), message);
  CHECK_EQ(device->num_launches(), 1u);
  CHECK_EQ(buffer->size(), 64u);
}

TEST(devices_do_not_mix) {
  auto device = open_device();
  const auto other = open_other_device();
  const auto buffer = other->allocate(64, 64);
  const auto program = other->build(nothing());
  const auto own_program = device->build(nothing());
  const std::string device_0 = device->properties().runtime + " device 0, got one of another device";
  std::vector<std::byte> bytes(64);
  for (const auto& wrong : {buffer, std::shared_ptr<Buffer>()}) {
    CHECK_THROWS(DeviceError, device->read(wrong, 0, bytes), "expected a buffer of " + device_0);
    CHECK_THROWS(DeviceError, device->write(wrong, 0, bytes), "expected a buffer of " + device_0);
    CHECK_THROWS(DeviceError, device->launch(own_program, {}, std::vector{wrong}), "expected a buffer of " + device_0);
  }
  for (const auto& wrong : {program, std::shared_ptr<Program>()}) {
    CHECK_THROWS(DeviceError, device->launch(wrong, {}, {}), "expected a program of " + device_0);
  }
  CHECK_EQ(device->num_launches(), 0u);
}
