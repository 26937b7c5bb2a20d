#include "tt/launch/launcher.h"

#include <utility>

#include "tt/support/math.h"

namespace moe::tt::launch {
namespace {

// Of the workers' own buffers and the one that they share.
constexpr uint32_t kMostBuffers = kernels::kProcessors + 1;

uint32_t l1_bytes_of(const runtime::DeviceProperties& properties) {
  const uint32_t bytes = properties.l1_size - properties.l1_unreserved;
  // Each buffer may begin up to an alignment later than the one before it ends, and its contents once more.
  return static_cast<uint32_t>(round_down(bytes - 2 * kMostBuffers * kernels::kAlignment, kernels::kAlignment));
}

std::vector<uint32_t> noc_coordinates_of(const runtime::Device& device) {
  std::vector<uint32_t> coordinates;
  for (uint32_t core = 0; core < device.properties().num_cores(); ++core) {
    const auto [x, y] = device.noc_coordinates(core);
    coordinates.push_back(x << 16 | y);
  }
  return coordinates;
}

}  // namespace

Launcher::Launcher(runtime::Device& device, runtime::BufferSpan records)
    : device(device),
      programs(device),
      invalid_ids(device, std::move(records)),
      l1_bytes(l1_bytes_of(device.properties())),
      noc_coordinates(noc_coordinates_of(device)) {}

}  // namespace moe::tt::launch
