#include "tt/launch/launch.h"

#include "tt/support/math.h"

namespace moe::tt::launch {

uint32_t Target::whole_rows(uint32_t cores) const {
  return cores <= grid_x ? cores : static_cast<uint32_t>(round_up(cores, grid_x));
}

runtime::ProgramDescription describe(const Launch& launch, const std::vector<uint32_t>& accessor_args) {
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
    code.compile_args = {launch.id_size, launch.weight_size, launch.pages, processor};
    code.compile_args.insert(code.compile_args.end(), accessor_args.begin(), accessor_args.end());
    for (uint32_t core = 0; core < launch.num_cores; ++core) {
      code.runtime_args.push_back({core});
    }
  }
  return description;
}

}  // namespace moe::tt::launch
