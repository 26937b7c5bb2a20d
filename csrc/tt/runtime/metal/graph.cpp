#include "tt/runtime/metal/graph.h"

#include <utility>

#include <tt-metalium/mesh_command_queue.hpp>
#include <tt-metalium/mesh_event.hpp>

#include "tt/runtime/metal/metalium.h"
#include "tt/runtime/metal/program.h"

namespace moe::tt::runtime::metal {

MetalGraph::MetalGraph(const std::shared_ptr<OpenChip>& chip, std::vector<CapturedLaunch> launches)
    : Graph(chip.get(), std::move(launches)), ChipResource(chip) {
  chip->use(str("cannot capture a graph on metal device ", chip->index()), [&](MeshDevice& device) {
    auto& queue = device.mesh_command_queue();
    // Slow dispatch counts no events, as in MetalDevice::do_record.
    if (this->launches().empty() || !is_counted(queue.enqueue_record_event_to_host())) {
      return;
    }
    trace(device, static_cast<uint8_t>(queue.id()));
    device_ = device.shared_from_this();
    register_with_chip();
  });
}

void MetalGraph::replay(MeshDevice& device) {
  if (trace_) {
    device.replay_mesh_trace(queue_, *trace_, /*blocking=*/false);
  } else {
    launch_all(device);
  }
}

void MetalGraph::launch_all(MeshDevice& device) {
  for (const CapturedLaunch& launch : launches()) {
    static_cast<MetalProgram&>(*launch.program()).launch(device, launch.common_args());
  }
}

// TT-Metalium takes a trace's arguments and binaries as they are now. Where no region of DRAM was set apart for traces,
// it takes their memory from the top of it.
void MetalGraph::trace(MeshDevice& device, uint8_t queue) {
  const uint32_t size_before = device.get_trace_buffers_size();
  const TraceId id = device.begin_mesh_trace(queue);
  try {
    try {
      launch_all(device);
    } catch (...) {
      device.end_mesh_trace(queue, id);
      throw;
    }
    device.end_mesh_trace(queue, id);
  } catch (...) {
    device.release_mesh_trace(id);
    // It has counted what it did not get.
    device.set_trace_buffers_size(size_before);
    throw;
  }
  queue_ = queue;
  trace_ = id;
}

void MetalGraph::release() {
  const auto device = device_.lock();
  if (trace_ && device != nullptr && device->is_initialized()) {
    device->release_mesh_trace(*std::exchange(trace_, std::nullopt));
  }
}

}  // namespace moe::tt::runtime::metal
