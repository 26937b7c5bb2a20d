// Kernels that forget to synchronise. They run only by name, under ThreadSanitizer, which must report each of them.
// This shows that the emulation's own synchronisation hides no race of kernels.

#include <vector>

#include "device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

void launch_pair(const char* writer, const char* reader) {
  Environment checks("TORCH_TT_EMULATED_CHECKS", "some");  // all refuse the reader before it races
  auto device = open_wormhole();
  auto [x, y] = device->noc_coordinates(1);
  ProgramDescription description{"race", {0, 2}, {{0, 16}, {1, 16}}, {0}, {}};
  description.kernels = {kernel(writer, {x, y}, {0, 1}), kernel(reader, {}, {1, 1})};
  launch(*device, description);
}

}  // namespace

TEST_ON_DEMAND(race_without_any_signal) {
  launch_pair("write_without_signal", "read_without_wait");
}

TEST_ON_DEMAND(race_of_signal_and_write) {
  launch_pair("signal_before_write", "read_after_wait");
}

TEST_ON_DEMAND(race_behind_a_common_counter) {
  auto device = open_wormhole();
  auto [third_x, third_y] = device->noc_coordinates(2);
  auto [first_x, first_y] = device->noc_coordinates(1);
  ProgramDescription description{"race", {0, 3}, {{0, 16}, {1, 16}}, {0}, {}};
  description.kernels = {
      kernel("count_then_touch", {third_x, third_y, first_x, first_y, 1}, {0, 1}),
      kernel("count_then_touch", {third_x, third_y, first_x, first_y, 0}, {1, 1}),
  };
  launch(*device, description);
}
