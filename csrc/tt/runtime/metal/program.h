#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tt-metalium/host_api.hpp>
#include <tt-metalium/mesh_workload.hpp>

#include "tt/runtime/metal/open_chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::metal {

// A program with its kernels compiled, as the workload that every launch of it enqueues.
class MetalProgram final : public Program, public ChipResource {
 public:
  MetalProgram(
      const std::shared_ptr<OpenChip>& chip,
      const std::string& folder,  // of the kernels
      const DeviceProperties& properties,
      const ProgramDescription& description);
  ~MetalProgram() override {
    unregister();
  }

  const void* owner() const override {
    return &chip();
  }

  // Within OpenChip::use.
  void launch(MeshDevice& device, std::span<const uint32_t> common_args);

 private:
  void set_common_args(std::span<const uint32_t> common_args);

  void release() override {
    workload_.reset();
  }
  void leak_after_fork() noexcept override {
    static_cast<void>(workload_.release());
  }

  std::unique_ptr<metalium::distributed::MeshWorkload> workload_;
  std::vector<metalium::KernelHandle> kernels_;
  bool has_common_args_ = false;  // since the first launch
};

}  // namespace moe::tt::runtime::metal
