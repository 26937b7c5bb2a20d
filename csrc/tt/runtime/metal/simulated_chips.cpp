#include "tt/runtime/metal/simulated_chips.h"

#include <cstdlib>
#include <string>

#include <tt-metalium/host_api.hpp>

#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/metalium.h"
#include "tt/runtime/runtime.h"
#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

constexpr const char* kQueuesInDram = "TT_METAL_DRAM_BACKED_CQ";

// As TT-Metalium reads it.
bool dispatch_is_fast() {
  return std::getenv("TT_METAL_SLOW_DISPATCH_MODE") == nullptr;
}

}  // namespace

void keep_queues_on_simulated_chips() {
  if (simulated_cluster_is_set() && dispatch_is_fast()) {
    setenv(kQueuesInDram, "1", /*overwrite=*/0);
  }
}

void require_dispatch_to_simulated_chips(uint32_t count) {
  if (count == 1 || !simulated_cluster_is_set() || !dispatch_is_fast()) {
    return;
  }
  for (int chip = 0; chip < static_cast<int>(count); ++chip) {
    if (const int reached_through = metalium::GetPCIeDeviceID(chip); reached_through != chip) {
      throw DeviceError(
          str("simulated chip ",
              chip,
              " is reached through chip ",
              reached_through,
              ", over an Ethernet that TT-Metalium does not simulate in fast dispatch: list all chips under "
              "chips_with_mmio in the file that ",
              kSimulatedClusterVariable,
              " names, or set TT_METAL_SLOW_DISPATCH_MODE=1"));
    }
  }
  if (const auto value = get_env(kQueuesInDram); !value.starts_with('1')) {
    throw EnvironmentError(
        kQueuesInDram,
        "1, before ttnn is imported, for several simulated chips in fast dispatch: TT-Metalium has one host memory for "
        "all of them, and would wait for a command queue there without end",
        value);
  }
}

}  // namespace moe::tt::runtime::metal
