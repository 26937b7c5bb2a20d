#include "tt/runtime/emulated/program.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "tt/runtime/check_cores.h"
#include "tt/support/get_env.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// Runs a check whose message is to begin with what it is about.
template <typename Check>
auto about(const std::string& subject, const Check& check) {
  try {
    return check();
  } catch (const DeviceError& error) {
    throw DeviceError(str(subject, ": ", error.what()));
  }
}

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
    throw DeviceError(str(kVariable, ": cannot write to '", file, "'; correct it or unset it"));
  }
}

}  // namespace

const char* name_of(Processor processor) {
  return processor == Processor::kRiscv0 ? "riscv0" : "riscv1";
}

void check_runtime_args(const std::string& program, uint64_t own, uint64_t common) {
  if (own + common > kMaxRuntimeArgs) {
    throw DeviceError(
        str("program '",
            program,
            "': expected at most ",
            kMaxRuntimeArgs,
            " run-time arguments for a kernel, got ",
            own,
            " of its own and ",
            common,
            " common ones"));
  }
}

EmulatedProgram::EmulatedProgram(
    const Chip& chip, std::shared_ptr<const void> device, const ProgramDescription& description)
    : device_(std::move(device)),
      description_(description),
      layout_(about(str("program '", description.name, "'"), [&] { return L1Layout(chip, description); })) {
  about(str("program '", description_.name, "'"), [&] {
    check_cores(description_.cores, {0, chip.properties.num_cores()}, "the grid");
    if (description_.kernels.empty()) {
      throw DeviceError("expected a kernel or more, got none");
    }
  });

  std::map<std::tuple<uint32_t, Processor>, KernelInstance> instances;
  for (const Kernel& kernel : description_.kernels) {
    about(str("program '", description_.name, "', kernel '", kernel.name, "'"), [&] {
      KernelFunction function = find_kernel(kernel.name);
      check_kernel(kernel, description_.cores);
      for (uint32_t i = 0; i < kernel.cores.count; ++i) {
        uint32_t core = kernel.cores.first + i;
        check_runtime_args(description_.name, kernel.runtime_args[i].size(), 0);
        max_runtime_args_ = std::max(max_runtime_args_, static_cast<uint32_t>(kernel.runtime_args[i].size()));
        KernelInstance instance{&kernel, function, core, &kernel.runtime_args[i]};
        auto [other, is_free] = instances.emplace(std::tuple(core, kernel.processor), instance);
        if (!is_free) {
          auto [x, y] = chip.logical(core);
          throw DeviceError(
              str("expected one kernel for ",
                  name_of(kernel.processor),
                  " of core (",
                  x,
                  ", ",
                  y,
                  "), which runs '",
                  other->second.kernel->name,
                  "' already"));
        }
      }
    });
  }
  for (const auto& instance : instances) {
    instances_.push_back(instance.second);
  }
  list_kernels(description_);
}

}  // namespace moe::tt::runtime::emulated
