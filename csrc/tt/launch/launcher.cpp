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

Target target_of(const runtime::Device& device) {
  const runtime::DeviceProperties& properties = device.properties();
  Target target{
      .architecture = properties.architecture,
      .grid_x = properties.grid_x,
      .l1_bytes = l1_bytes_of(properties),
      .noc_coordinates = {}};
  for (uint32_t core = 0; core < properties.num_cores(); ++core) {
    const auto [x, y] = device.noc_coordinates(core);
    target.noc_coordinates.push_back(x << 16 | y);
  }
  return target;
}

}  // namespace

Launcher::Launcher(std::shared_ptr<ProgramCache> programs, const runtime::BufferSpan& records, Observer observer)
    : programs(std::move(programs)),
      invalid_ids(this->programs->device(), records),
      target(target_of(this->programs->device())),
      observer_(std::move(observer)) {}

void Launcher::launch(const std::vector<Launch>& launches, std::span<const Tensor> tensors) {
  std::vector<std::shared_ptr<runtime::Buffer>> buffers{invalid_ids.buffer()};
  for (const Tensor& tensor : tensors) {
    buffers.push_back(tensor.buffer);
  }
  for (const Launch& launch : launches) {
    const auto program = programs->get(launch);
    observer_(launch.kernel, [&] { programs->device().launch(program, launch.common_args, buffers); });
  }
}

}  // namespace moe::tt::launch
