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

std::array<uint32_t, kernels::kProcessors + 1> L1Shares::circular_buffers() const {
  std::array<uint32_t, kernels::kProcessors + 1> bytes;
  bytes.fill(worker_bytes + kernels::kAlignment);
  bytes[kernels::kSharedBuffer] = shared_bytes + kernels::kAlignment;
  return bytes;
}

L1Shares Launcher::l1_shares() const {
  const uint32_t half = l1_bytes / 2;
  return {
      .worker_bytes = static_cast<uint32_t>(round_down(half / kernels::kProcessors, kernels::kAlignment)),
      .shared_bytes = static_cast<uint32_t>(round_down(half, kernels::kAlignment))};
}

std::vector<uint32_t> Launcher::with_coordinates(std::span<const uint32_t> args, uint32_t num_cores) const {
  std::vector<uint32_t> words(args.begin(), args.end());
  words.insert(words.end(), noc_coordinates.begin(), noc_coordinates.begin() + num_cores);
  return words;
}

}  // namespace moe::tt::launch
