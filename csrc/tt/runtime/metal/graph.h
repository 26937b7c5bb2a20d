#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tt-metalium/mesh_trace_id.hpp>

#include "tt/runtime/capture.h"
#include "tt/runtime/metal/open_chip.h"

namespace moe::tt::runtime::metal {

// A MeshTrace: the dispatch commands of all launches, in the chip's DRAM. Slow dispatch has none of these and enqueues
// the launches one after the other.
class MetalGraph final : public Graph, public ChipResource {
 public:
  MetalGraph(const std::shared_ptr<OpenChip>& chip, std::vector<CapturedLaunch> launches);
  ~MetalGraph() override {
    unregister();
  }

  // Within OpenChip::use.
  void replay(MeshDevice& device);

 private:
  using TraceId = metalium::distributed::MeshTraceId;

  void launch_all(MeshDevice& device);
  void trace(MeshDevice& device, uint8_t queue);

  void release() override;
  void leak_after_fork() noexcept override {}

  std::weak_ptr<MeshDevice> device_;
  uint8_t queue_ = 0;
  std::optional<TraceId> trace_;
};

}  // namespace moe::tt::runtime::metal
