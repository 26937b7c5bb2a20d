// What build() and launch() refuse.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "device.h"
#include "testing.h"
#include "tt/support/str.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

std::string refusal(const ProgramDescription& description) {
  auto device = open_wormhole();
  return message_of<DeviceError>([&] { device->build(description); });
}

ProgramDescription with_buffers(std::vector<CircularBuffer> buffers) {
  return {"p", {}, std::move(buffers), {}, {kernel("nothing")}};
}

}  // namespace

TEST(l1_holds_what_firmware_leaves) {
  auto device = open_wormhole();
  device->build(with_buffers({{0, 16, (1499136 - 104224) / 16}}));
  CHECK_EQ(
      refusal(with_buffers({{0, 16, (1499136 - 104224) / 16}, {3, 32}})),
      std::string(
          "program 'p': expected the circular buffers to fit into L1, between 104224, where firmware and kernels "
          "end, and 1499136, but circular buffer 3 (1 pages of 32 bytes) would end at 1499168; make pages "
          "smaller or fewer"));
}

TEST(circular_buffers_keep_their_limits) {
  CHECK_EQ(
      refusal(with_buffers({{32, 16}})),
      std::string("program 'p': expected a circular buffer's index below 32, got 32"));
  CHECK_EQ(
      refusal(with_buffers({{1, 16}, {1, 16}})),
      std::string("program 'p': expected one circular buffer of index 1, got two"));
  CHECK_EQ(
      refusal(with_buffers({{0, 24, 2}})),
      std::string(
          "program 'p': expected circular buffer 0 to have one page or more of a multiple of 16 bytes, got 2 of "
          "24 bytes"));
}

TEST(semaphores_keep_their_limit) {
  CHECK_EQ(
      refusal({"p", {}, {}, std::vector<uint32_t>(17), {kernel("nothing")}}),
      std::string("program 'p': expected at most 16 semaphores, got 17"));
}

TEST(kernels_must_exist) {
  std::string message = refusal({"p", {}, {}, {}, {kernel("no_such_kernel")}});
  CHECK(message.starts_with("program 'p', kernel 'no_such_kernel': expected the name of a kernel that was built in ("));
  CHECK(message.ends_with("), got 'no_such_kernel'"));
  CHECK(message.find("add_to_pages, ") != std::string::npos);
  CHECK_EQ(refusal({"p", {}, {}, {}, {}}), std::string("program 'p': expected a kernel or more, got none"));
}

TEST(cores_must_exist) {
  CHECK_EQ(
      refusal({"p", {70, 3}, {}, {}, {kernel("nothing", {}, {70, 3})}}),
      std::string("program 'p': expected one core or more of the 72 from core 0 on (the grid), got 3 from core 70 on"));
  CHECK_EQ(
      refusal({"p", {2, 2}, {}, {}, {kernel("nothing", {}, {1, 2})}}),
      std::string(
          "program 'p', kernel 'nothing': expected one core or more of the 2 from core 2 on (the program's), "
          "got 2 from core 1 on"));
}

TEST(one_kernel_for_a_processor) {
  CHECK_EQ(
      refusal({"p", {0, 12}, {}, {}, {kernel("nothing", {}, {0, 10}), kernel("meet", {}, {9, 3})}}),
      std::string(
          "program 'p', kernel 'meet': expected one kernel for riscv0 of core (1, 1), which runs 'nothing' "
          "already"));
  CHECK_EQ(
      refusal({"p", {}, {}, {}, {kernel("nothing"), kernel("nothing", {}, {0, 1}, Processor::kRiscv1)}}),
      std::string());
}

TEST(runtime_arguments_keep_their_limit) {
  CHECK_EQ(
      refusal({"p", {}, {}, {}, {kernel("nothing", std::vector<uint32_t>(342))}}),
      std::string(
          "program 'p', kernel 'nothing': expected at most 341 run-time arguments for a kernel, got "
          "342 of its own and 0 common ones"));
  auto device = open_wormhole();
  auto program = device->build({"p", {}, {}, {}, {kernel("nothing", std::vector<uint32_t>(300))}});
  device->launch(program, std::vector<uint32_t>(41), {});
  CHECK_THROWS(
      DeviceError,
      device->launch(program, std::vector<uint32_t>(42), {}),
      "program 'p': expected at most 341 run-time arguments for a kernel, got 300 of its own and 42 common ones");
  Kernel few = kernel("nothing", {}, {0, 2});
  few.runtime_args.pop_back();
  CHECK_EQ(
      refusal({"p", {0, 2}, {}, {}, {few}}),
      std::string(
          "program 'p', kernel 'nothing': expected run-time arguments for each of its 2 cores, got them for 1"));
}

TEST(kernels_are_listed_where_a_file_is_named) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / str("kernels.", getpid());
  Environment get_env("TORCH_TT_EMULATED_KERNELS", file.c_str());
  Kernel first = kernel("nothing");
  Kernel second = kernel("nothing", {}, {0, 1}, Processor::kRiscv1);
  second.compile_args = {4, 0};
  open_wormhole()->build({"p", {}, {}, {}, {first, second}});
  open_blackhole()->build({"p", {}, {}, {}, {first}});
  std::ifstream list(file);
  CHECK_EQ(std::string(std::istreambuf_iterator<char>(list), {}), std::string("nothing 0\nnothing 1 4 0\nnothing 0\n"));
  std::filesystem::remove(file);
}

TEST(a_list_of_kernels_that_cannot_be_written) {
  Environment get_env("TORCH_TT_EMULATED_KERNELS", "/no/such/folder/kernels");
  CHECK_EQ(
      refusal({"p", {}, {}, {}, {kernel("nothing")}}),
      std::string("TORCH_TT_EMULATED_KERNELS: cannot write to '/no/such/folder/kernels'; correct it or unset it"));
}
