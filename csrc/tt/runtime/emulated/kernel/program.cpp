#include "tt/runtime/emulated/kernel/program.h"

#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// For who compiles the kernels in advance.
void list_kernels(const ProgramDescription& description) {
  constexpr const char* kVariable = "TORCH_TT_EMULATED_KERNELS";
  const std::string file = get_env(kVariable);
  if (file.empty()) {
    return;
  }
  std::ofstream list(file, std::ios::app);
  for (const Kernel& kernel : description.kernels) {
    list << kernel.name << ' ' << static_cast<int>(kernel.processor);
    for (const uint32_t arg : kernel.compile_args) {
      list << ' ' << arg;
    }
    list << '\n';
  }
  if (!list.flush()) {
    throw EnvironmentError(kVariable, "a file that can be written to", file);
  }
}

}  // namespace

EmulatedProgram::EmulatedProgram(
    const Chip& chip, std::shared_ptr<const void> device, const ProgramDescription& description)
    : Program(description), device_(std::move(device)), description_(description), layout_(chip, description) {
  std::map<std::tuple<uint32_t, Processor>, KernelInstance> instances;
  for (const Kernel& kernel : description_.kernels) {
    const KernelFunction function = with_context(
        str("program '", description_.name, "', kernel '", kernel.name, "'"), [&] { return find_kernel(kernel.name); });
    for (uint32_t i = 0; i < kernel.cores.count; ++i) {
      const uint32_t core = kernel.cores.first + i;
      instances.emplace(
          std::tuple(core, kernel.processor),
          KernelInstance{&kernel, function, /*number=*/0, core, &kernel.runtime_args[i]});
    }
  }
  for (const auto& instance : instances) {
    instances_.push_back(instance.second);
    instances_.back().number = static_cast<uint32_t>(instances_.size() - 1);
  }
  list_kernels(description_);
}

}  // namespace moe::tt::runtime::emulated
