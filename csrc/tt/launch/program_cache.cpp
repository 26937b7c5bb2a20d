#include "tt/launch/program_cache.h"

namespace moe::tt::launch {

std::shared_ptr<runtime::Program> ProgramCache::get(
    const std::string& kernel,
    const RouterChoices& choices,
    uint32_t num_cores,
    uint32_t num_semaphores,
    std::span<const uint32_t> circular_buffers) {
  auto& program = programs_[{kernel, choices.id_size, choices.weight_size, num_cores}];
  if (program != nullptr) {
    return program;
  }
  runtime::ProgramDescription description;
  description.name = kernel;
  description.cores = {0, num_cores};
  description.semaphores.assign(num_semaphores, 0);
  for (const uint32_t bytes : circular_buffers) {
    const auto index = static_cast<uint32_t>(description.circular_buffers.size());
    description.circular_buffers.push_back({index, bytes});
  }
  for (uint32_t processor = 0; processor < kernels::kProcessors; ++processor) {
    runtime::Kernel& code = description.kernels.emplace_back();
    code.name = kernel;
    code.processor = static_cast<runtime::Processor>(processor);
    code.cores = description.cores;
    code.compile_args = {choices.id_size, choices.weight_size, processor};
    const auto accessor_args = device_.tensor_accessor_args();
    code.compile_args.insert(code.compile_args.end(), accessor_args.begin(), accessor_args.end());
    for (uint32_t core = 0; core < num_cores; ++core) {
      code.runtime_args.push_back({core});
    }
  }
  program = device_.build(description);
  return program;
}

}  // namespace moe::tt::launch
