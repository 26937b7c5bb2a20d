// Properties, addresses, memory and fork() on the emulated device; tests/conformance has what every runtime promises.

#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "device.h"
#include "testing.h"
#include "tt/support/environment.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

TEST(wormhole_is_the_default) {
  auto runtime = make_emulated_runtime();
  CHECK_EQ(runtime->name(), std::string("emulated"));
  CHECK_EQ(runtime->device_count(), 1u);
  auto device = runtime->open(0);
  const DeviceProperties& properties = device->properties();
  CHECK_EQ(properties.runtime, std::string("emulated"));
  CHECK_EQ(properties.architecture, std::string("wormhole_b0"));
  CHECK_EQ(properties.num_cores(), 72u);
  CHECK_EQ(properties.l1_size, 1499136u);
  CHECK_EQ(properties.dram_banks, 12u);
  CHECK_EQ(properties.dram_size, uint64_t{12} << 30);
  CHECK_EQ(properties.dram_alignment, 32u);
  CHECK_EQ(device->noc_coordinates(9).first, 19u);
  CHECK_EQ(device->noc_coordinates(9).second, 19u);
  CHECK_THROWS(
      DeviceError,
      device->noc_coordinates(72),
      "noc_coordinates: expected a core below 72, the size of the grid, got 72");
}

TEST(blackhole_by_choice) {
  auto device = open_blackhole();
  const DeviceProperties& properties = device->properties();
  CHECK_EQ(properties.architecture, std::string("blackhole"));
  CHECK_EQ(properties.num_cores(), 130u);
  CHECK_EQ(properties.l1_size, 1572864u);
  CHECK_EQ(properties.dram_banks, 8u);
  CHECK_EQ(properties.dram_size, uint64_t{32} << 30);
  CHECK_EQ(properties.dram_alignment, 64u);
  // Two columns of the chip hold no worker cores.
  CHECK_EQ(device->noc_coordinates(6).first, 7u);
  CHECK_EQ(device->noc_coordinates(7).first, 10u);
}

TEST(environment_is_checked) {
  {
    Environment get_env("TORCH_TT_EMULATED_ARCH", "grayskull");
    CHECK_THROWS(
        EnvironmentError,
        make_emulated_runtime(),
        "TORCH_TT_EMULATED_ARCH: expected 'wormhole_b0' or 'blackhole', got 'grayskull'; correct it or unset it");
  }
  {
    Environment get_env("TORCH_TT_EMULATED_DEVICES", "0");
    CHECK_THROWS(
        EnvironmentError,
        make_emulated_runtime(),
        "TORCH_TT_EMULATED_DEVICES: expected a number of devices from 1 to 64, got '0'; correct it or unset it");
  }
  {
    Environment get_env("TORCH_TT_EMULATED_DRAM_SIZE", "1GB");
    CHECK_THROWS(
        EnvironmentError,
        make_emulated_runtime(),
        "TORCH_TT_EMULATED_DRAM_SIZE: expected a number of bytes from 768 to 12884901888, got '1GB'; correct it or "
        "unset it");
  }
  {
    Environment get_env("TORCH_TT_EMULATED_CHECKS", "none");
    CHECK_THROWS(
        EnvironmentError,
        make_emulated_runtime(),
        "TORCH_TT_EMULATED_CHECKS: expected 'some' or 'all', got 'none'; correct it or unset it");
  }
  {
    Environment get_env("TORCH_TT_EMULATED_TIMEOUT", "0");
    CHECK_THROWS(
        EnvironmentError,
        make_emulated_runtime(),
        "TORCH_TT_EMULATED_TIMEOUT: expected a number of seconds from 1 to 604800, got '0'; correct it or unset it");
  }
  Environment get_env("TORCH_TT_EMULATED_DEVICES", "3");
  auto runtime = make_emulated_runtime();
  CHECK_EQ(runtime->device_count(), 3u);
  runtime->open(2);
  CHECK_THROWS(
      DeviceError,
      runtime->open(3),
      "expected an emulated device below 3, got 3; TORCH_TT_EMULATED_DEVICES sets how many there are");
}

TEST(buffers_have_addresses_of_their_own) {
  auto device = open_wormhole();
  auto first = device->allocate(1, 64);
  auto second = device->allocate(100 * 64, 64);
  auto third = device->allocate(0, 32);
  CHECK_EQ(first->size(), 64u);
  CHECK_EQ(first->address(), 32u);
  CHECK_EQ(second->address(), 96u);
  CHECK_EQ(second->size(), 6400u);
  // 100 pages over 12 banks are 9 in the fullest.
  CHECK_EQ(third->address(), 96u + 9 * 64);
  second.reset();
  CHECK_EQ(device->allocate(12 * 9 * 64, 64)->address(), 96u);
  CHECK_THROWS(
      DeviceError,
      device->allocate(64, 48),
      "a DRAM buffer's page size must be a multiple of the DRAM alignment of 32 bytes, got 48");
}

TEST(out_of_memory_gives_the_amounts) {
  Environment get_env("TORCH_TT_EMULATED_DRAM_SIZE", "1000000");
  auto device = make_emulated_runtime()->open(0);
  CHECK_EQ(device->properties().dram_size, 999936u);
  auto kept = device->allocate(12 * 32768, 32768);
  try {
    device->allocate(13 * 32768, 32768);
    CHECK(!"out of memory");
  } catch (const OutOfMemory& error) {
    CHECK_EQ(
        std::string(error.what()),
        std::string(
            "out of device memory: tried to allocate 425984 bytes (65536 in each of 12 DRAM banks), but of "
            "999936 bytes 606336 are free, the largest piece in a bank being 50528 bytes"));
    CHECK_EQ(error.requested, 425984u);
    CHECK_EQ(error.free, 606336u);
  }
  CHECK_THROWS(OutOfMemory, device->allocate(~uint64_t{0}, 32), [] {
    return "out of device memory: tried to allocate 18446744073709551615 bytes (1537228672809129312 in each of 12 DRAM "
           "banks), but of 999936 bytes 606336 are free, the largest piece in a bank being 50528 bytes";
  }());
  // The device stays usable, and what is freed can be had again.
  kept.reset();
  device->allocate(13 * 32768, 32768);
}

TEST(new_memory_holds_no_zeros) {
  auto device = open_wormhole();
  auto words = to_host(*device, device->allocate(1024, 1024));
  CHECK_EQ(words.front(), 0xA5A5A5A5u);
  CHECK_EQ(words.back(), 0xA5A5A5A5u);
}

TEST(devices_do_not_mix) {
  Environment get_env("TORCH_TT_EMULATED_DEVICES", "2");
  auto runtime = make_emulated_runtime();
  auto first = runtime->open(0);
  auto second = runtime->open(1);
  std::vector<std::byte> bytes(32);
  auto buffer = first->allocate(32, 32);
  CHECK_THROWS(
      DeviceError, second->read(buffer, 0, bytes), "expected a buffer of emulated device 1, got one of another device");
  ProgramDescription description{"p", {}, {}, {}, {kernel("nothing")}};
  auto program = first->build(description);
  CHECK_THROWS(
      DeviceError,
      second->launch(program, {}, {}),
      "expected a program of emulated device 1, got one of another device");
}

TEST(forked_children_may_only_leave) {
  auto device = open_wormhole();
  auto buffer = to_device(*device, iota(8), 32);
  launch(*device, {"p", {}, {}, {}, {kernel("nothing")}});
  pid_t child = fork();
  if (child == 0) {
    std::string message = message_of<DeviceError>([&] { device->synchronize(); });
    bool right = message ==
                 "Cannot use tt devices in a forked subprocess whose parent had opened one. To use tt with "
                 "multiprocessing, you must use the 'spawn' start method";
    buffer.reset();
    device.reset();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
  CHECK(to_host(*device, buffer) == iota(8));
}
