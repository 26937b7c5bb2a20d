// What build(), launch() and noc_coordinates() refuse.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "open_device.h"
#include "testing.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

std::string refusal(Device& device, const ProgramDescription& description) {
  return message_of<DeviceError>([&] { device.build(description); });
}

ProgramDescription with_buffers(std::vector<CircularBuffer> buffers) {
  return {"p", {}, std::move(buffers), {}, {kernel("nothing")}};
}

}  // namespace

TEST(noc_coordinates_are_of_the_grid) {
  auto device = open_device();
  const uint32_t num_cores = device->properties().num_cores();
  const uint32_t columns = device->properties().grid_x;
  for (uint32_t core = 0; core < num_cores; ++core) {
    const auto [x, y] = device->noc_coordinates(core);
    CHECK_EQ(x, device->noc_coordinates(core % columns).first);
    CHECK_EQ(y, device->noc_coordinates(core / columns * columns).second);
  }
  CHECK_THROWS(
      DeviceError,
      device->noc_coordinates(num_cores),
      str("noc_coordinates: expected a core below ", num_cores, ", the size of the grid, got ", num_cores));
}

TEST(cores_are_checked) {
  auto device = open_device();
  const uint32_t num_cores = device->properties().num_cores();
  CHECK_EQ(
      refusal(*device, {"p", {num_cores - 2, 3}, {}, {}, {kernel("nothing", {}, {num_cores - 2, 3})}}),
      str("program 'p': expected one core or more of the ",
          num_cores,
          " from core 0 on (the grid), got 3 from core ",
          num_cores - 2,
          " on"));
  CHECK_EQ(
      refusal(*device, {"p", {3, 0}, {}, {}, {kernel("nothing")}}),
      str("program 'p': expected one core or more of the ",
          num_cores,
          " from core 0 on (the grid), got 0 from core 3 on"));
  CHECK_EQ(
      refusal(*device, {"p", {2, 2}, {}, {}, {kernel("nothing", {}, {1, 2})}}),
      std::string(
          "program 'p', kernel 'nothing': expected one core or more of the 2 from core 2 on (the program's), "
          "got 2 from core 1 on"));
}

TEST(circular_buffers_are_checked) {
  auto device = open_device();
  CHECK_EQ(
      refusal(*device, with_buffers({{32, 16}})),
      std::string("program 'p': expected a circular buffer's index below 32, got 32"));
  CHECK_EQ(
      refusal(*device, with_buffers({{1, 16}, {1, 16}})),
      std::string("program 'p': expected one circular buffer of index 1, got two"));
  const std::string message =
      "program 'p': expected circular buffer 0 to have one page or more of a multiple of 16 bytes, got ";
  CHECK_EQ(refusal(*device, with_buffers({{0, 24, 2}})), message + "2 of 24 bytes");
  CHECK_EQ(refusal(*device, with_buffers({{0, 0, 2}})), message + "2 of 0 bytes");
  CHECK_EQ(refusal(*device, with_buffers({{0, 16, 0}})), message + "0 of 16 bytes");
}

TEST(circular_buffers_fill_l1) {
  auto device = open_device();
  const DeviceProperties& properties = device->properties();
  const auto begin = static_cast<uint32_t>(round_up(properties.l1_unreserved, properties.dram_alignment));
  const uint32_t num_pages = (properties.l1_size - begin) / 32;
  launch(*device, with_buffers({{0, 32, num_pages}}));
  const uint64_t end = round_up(begin + uint64_t{num_pages} * 32, properties.dram_alignment) + 64;
  CHECK_EQ(
      refusal(*device, with_buffers({{0, 32, num_pages}, {3, 32, 2}})),
      str("program 'p': expected the circular buffers to fit into L1, between ",
          properties.l1_unreserved,
          ", where firmware and kernels end, and ",
          properties.l1_size,
          ", but circular buffer 3 (2 pages of 32 bytes) would end at ",
          end,
          "; make pages smaller or fewer"));
}

TEST(semaphores_are_checked) {
  auto device = open_device();
  CHECK_EQ(
      refusal(*device, {"p", {}, {}, std::vector<uint32_t>(17), {kernel("nothing")}}),
      std::string("program 'p': expected at most 16 semaphores, got 17"));
  launch(*device, {"p", {}, {}, std::vector<uint32_t>(16), {kernel("nothing")}});
}

TEST(kernels_are_checked) {
  auto device = open_device();
  CHECK_EQ(refusal(*device, {"p", {}, {}, {}, {}}), std::string("program 'p': expected a kernel or more, got none"));
  CHECK(refusal(*device, {"p", {}, {}, {}, {kernel("no_such_kernel")}})
            .starts_with("program 'p', kernel 'no_such_kernel': "));
  const uint32_t columns = device->properties().grid_x;
  CHECK_EQ(
      refusal(
          *device,
          {"p",
           {0, columns + 4},
           {},
           {},
           {kernel("nothing", {}, {0, columns + 2}), kernel("send_page", {}, {columns + 1, 3})}}),
      std::string(
          "program 'p', kernel 'send_page': expected one kernel for riscv0 of core (1, 1), which runs 'nothing' "
          "already"));
  launch(*device, {"p", {}, {}, {}, {kernel("nothing"), kernel("nothing", {}, {0, 1}, Processor::kRiscv1)}});
}

TEST(runtime_arguments_are_checked) {
  auto device = open_device();
  CHECK_EQ(
      refusal(*device, {"p", {}, {}, {}, {kernel("nothing", std::vector<uint32_t>(342))}}),
      std::string(
          "program 'p', kernel 'nothing': expected at most 341 run-time arguments for a kernel, got 342 of its own "
          "and 0 common ones"));
  Kernel few = kernel("nothing", {}, {0, 2});
  few.runtime_args.pop_back();
  CHECK_EQ(
      refusal(*device, {"p", {0, 2}, {}, {}, {few}}),
      std::string(
          "program 'p', kernel 'nothing': expected run-time arguments for each of its 2 cores, got them for 1"));
}

TEST(common_arguments_are_checked) {
  auto device = open_device();
  const auto program = device->build({"p", {}, {}, {}, {kernel("nothing", std::vector<uint32_t>(300))}});
  const std::string message =
      "program 'p': expected at most 341 run-time arguments for a kernel, got 300 of its own and 42 common ones";
  // A launch that is refused is not the first one.
  CHECK_THROWS(DeviceError, device->launch(program, std::vector<uint32_t>(42), {}), message);
  device->launch(program, std::vector<uint32_t>(41), {});
  CHECK_THROWS(DeviceError, device->launch(program, std::vector<uint32_t>(42), {}), message);
  device->synchronize();
}

TEST(the_number_of_common_arguments_stays) {
  auto device = open_device();
  const auto with = device->build(nothing());
  device->launch(with, std::vector<uint32_t>(2), {});
  const std::string message = "program 'p': expected 2 common run-time arguments, as at its first launch, got ";
  CHECK_THROWS(DeviceError, device->launch(with, std::vector<uint32_t>(3), {}), message + "3");
  CHECK_THROWS(DeviceError, device->launch(with, {}, {}), message + "0");
  device->launch(with, std::vector<uint32_t>(2), {});
  const auto without = device->build(nothing());
  device->launch(without, {}, {});
  CHECK_THROWS(
      DeviceError,
      device->launch(without, std::vector<uint32_t>(1), {}),
      "program 'p': expected 0 common run-time arguments, as at its first launch, got 1");
  device->synchronize();
  CHECK_EQ(device->num_launches(), 3u);
}
