#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/l1_layout.h"
#include "tt/runtime/emulated/kernel/registry.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

// A description that was checked, with its kernels found and its L1 laid out.
class EmulatedProgram : public Program {
 public:
  // A kernel on one processor of one core.
  struct KernelInstance {
    const Kernel* kernel;
    KernelFunction function;
    uint32_t number;  // its place among all
    uint32_t core;
    const std::vector<uint32_t>* runtime_args;
  };

  EmulatedProgram(const Chip& chip, std::shared_ptr<const void> device, const ProgramDescription& description);

  const void* owner() const override {
    return device_.get();
  }
  const ProgramDescription& description() const {
    return description_;
  }
  const L1Layout& layout() const {
    return layout_;
  }
  const std::vector<KernelInstance>& instances() const {
    return instances_;
  }
  bool uses(uint32_t core) const {
    return core >= description_.cores.first && core - description_.cores.first < description_.cores.count;
  }

 private:
  std::shared_ptr<const void> device_;  // what tells it from others, kept so that it stays so
  ProgramDescription description_;
  L1Layout layout_;
  std::vector<KernelInstance> instances_;  // core by core
};

}  // namespace moe::tt::runtime::emulated
