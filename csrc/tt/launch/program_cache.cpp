#include "tt/launch/program_cache.h"

#include <vector>

namespace moe::tt::launch {

std::shared_ptr<runtime::Program> ProgramCache::get(const Launch& launch) {
  const std::lock_guard lock(mutex_);
  auto& program =
      programs_[{launch.kernel, launch.id_size, launch.weight_size, launch.pages, launch.options, launch.num_cores}];
  if (program == nullptr) {
    // All buffers are interleaved over DRAM, and so have the same ones.
    const std::vector<uint32_t> each = device_.tensor_accessor_args();
    std::vector<uint32_t> accessor_args;
    for (uint32_t tensor = 0; tensor < launch.num_tensors; ++tensor) {
      accessor_args.insert(accessor_args.end(), each.begin(), each.end());
    }
    program = device_.build(describe(launch, accessor_args));
  }
  return program;
}

}  // namespace moe::tt::launch
