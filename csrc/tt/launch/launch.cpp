#include "tt/launch/launch.h"

#include "tt/support/math.h"

namespace moe::tt::launch {

uint32_t Target::whole_rows(uint32_t cores) const {
  return cores <= grid_x ? cores : static_cast<uint32_t>(round_up(cores, grid_x));
}

L1Shares Target::l1_shares() const {
  const uint32_t half = l1_bytes / 2;
  return {
      .worker_bytes = static_cast<uint32_t>(round_down(half / kernels::kProcessors, kernels::kAlignment)),
      .shared_bytes = static_cast<uint32_t>(round_down(half, kernels::kAlignment))};
}

std::vector<uint32_t> Target::with_coordinates(std::span<const uint32_t> args, uint32_t num_cores) const {
  std::vector<uint32_t> words(args.begin(), args.end());
  words.insert(words.end(), noc_coordinates.begin(), noc_coordinates.begin() + num_cores);
  return words;
}

std::vector<uint32_t> L1Shares::circular_buffers() const {
  std::vector<uint32_t> bytes(kernels::kProcessors + 1, worker_bytes + kernels::kAlignment);
  bytes[kernels::kSharedBuffer] = shared_bytes + kernels::kAlignment;
  return bytes;
}

runtime::ProgramDescription describe(const Launch& launch, const std::vector<uint32_t>& accessor_args) {
  std::vector<uint32_t> accessors = accessor_args;
  if ((launch.options & kernels::kLocalExperts) == 0) {
    // Their number has no tensor, and the kernels only compile an accessor.
    const auto at = [&](uint32_t tensor) { return accessors.begin() + tensor * kernels::kAccessorArgs; };
    const std::vector<uint32_t> any(at(kernels::kIds), at(kernels::kIds + 1));
    accessors.insert(at(kernels::kLocalIds), any.begin(), any.end());
  }
  runtime::ProgramDescription description;
  description.name = launch.kernel;
  description.cores = {0, launch.num_cores};
  description.semaphores.assign(launch.num_semaphores, 0);
  for (const uint32_t bytes : launch.circular_buffers) {
    const auto index = static_cast<uint32_t>(description.circular_buffers.size());
    description.circular_buffers.push_back({index, bytes});
  }
  for (uint32_t processor = 0; processor < kernels::kProcessors; ++processor) {
    runtime::Kernel& code = description.kernels.emplace_back();
    code.name = launch.kernel;
    code.processor = static_cast<runtime::Processor>(processor);
    code.cores = description.cores;
    code.compile_args = {launch.id_size, launch.weight_size, launch.pages, processor, launch.options};
    code.compile_args.insert(code.compile_args.end(), accessors.begin(), accessors.end());
    for (uint32_t core = 0; core < launch.num_cores; ++core) {
      code.runtime_args.push_back({core});
    }
  }
  // A launch's buffers are the records of invalid ids, the outputs, and the inputs.
  const uint32_t first_output = kernels::kFirstOutput - ((launch.options & kernels::kLocalExperts) == 0 ? 1 : 0);
  description.num_written = 1 + launch.num_tensors - first_output;
  return description;
}

}  // namespace moe::tt::launch
