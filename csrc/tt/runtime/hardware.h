#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "tt/support/environment.h"

namespace moe::tt::runtime {

// TT-Metalium's own: the simulator that stands in for a chip.
inline constexpr const char* kSimulatorVariable = "TT_METAL_SIMULATOR";

inline bool simulator_is_set() {
  return !get_env(kSimulatorVariable).empty();
}

// TT-Metalium's own: the file that describes several chips to simulate and how they are connected.
inline constexpr const char* kSimulatedClusterVariable = "TT_METAL_MOCK_CLUSTER_DESC_PATH";

// Whether more than one chip may be simulated.
inline bool simulated_cluster_is_set() {
  return simulator_is_set() && !get_env(kSimulatedClusterVariable).empty();
}

// Chips that the kernel driver has found. Behind one of them there may be another, which has no file of its own.
inline uint32_t count_device_files() noexcept {
  const auto is_number = [](const std::string& name) {
    return std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  try {
    std::error_code missing;
    uint32_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/tenstorrent", missing)) {
      count += is_number(entry.path().filename().string()) ? 1 : 0;
    }
    return count;
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace moe::tt::runtime
