// What build() refuses and lists on this runtime; tests/conformance has what it refuses on every one.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "device.h"
#include "testing.h"
#include "tt/support/environment.h"
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

TEST(kernels_must_exist) {
  std::string message = refusal({"p", {}, {}, {}, {kernel("no_such_kernel")}});
  CHECK(message.starts_with("program 'p', kernel 'no_such_kernel': expected the name of a kernel that was built in ("));
  CHECK(message.ends_with("), got 'no_such_kernel'"));
  CHECK(message.find("add_to_pages, ") != std::string::npos);
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
  CHECK_THROWS(
      EnvironmentError,
      open_wormhole()->build({"p", {}, {}, {}, {kernel("nothing")}}),
      "TORCH_TT_EMULATED_KERNELS: expected a file that can be written to, got '/no/such/folder/kernels'; correct it or "
      "unset it");
}
