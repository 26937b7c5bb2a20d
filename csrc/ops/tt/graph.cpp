#include "ops/tt/graph.h"

#include "ops/torch_versions.h"

#if MOE_TORCH_HAS_GRAPHS

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <ATen/core/GraphImplInterface.h>
#include <c10/core/DeviceType.h>
#include <c10/util/Exception.h>

#include "ops/tt/thread_launcher.h"
#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/profiler/launch_trace.h"
#include "tt/runtime/capture.h"

namespace moe::tt {
namespace {

using backend::TorchDevice;

// What torch.accelerator.Graph is on tt.
class Graph final : public at::GraphImplInterface {
 public:
  // The graph is made where the capture ends: there is nothing to keep beside it.
  explicit Graph(const at::GraphImplArgs& /*arguments*/) {}

  // Whatever pool is given, a graph's memory is its own; whatever mode, a capture is of one thread's launches.
  void capture_begin(at::MempoolId_t /*pool*/, at::GraphCaptureMode /*mode*/) override {
    TORCH_CHECK(capture_ == nullptr, "expected a graph that is not being captured: capture_end() comes first");
    TORCH_CHECK(graph_ == nullptr, "expected a graph that holds nothing, got one that was captured: reset() it first");
    TorchDevice& device = backend::open_device(backend::current_device());
    device.check_usable();
    TORCH_CHECK(
        !device.is_capturing(),
        "expected one capture of a thread at a time, got a second one on tt:",
        static_cast<int>(device.index()),
        ": end the first one before");
    auto calls = capture_calls(device);
    capture_ = device.runtime_device().begin_capture();
    calls_ = std::move(calls);
    device_ = &device;
  }

  void capture_end() override {
    TORCH_CHECK(capture_ != nullptr, "expected a graph that is being captured: capture_begin() comes first");
    try {
      graph_ = device_->runtime_device().end_capture(capture_);
    } catch (...) {
      if (capture_ == nullptr) {
        reset();
      }
      throw;
    }
    calls_->end_capture();
  }

  void instantiate() override {
    require_captured();
  }

  void replay() override {
    require_captured();
    runtime::Device& device = device_->runtime_device();
    device.refuse_in_capture("a replay");
    device_->wait_for_room();
    calls_->begin_replay();
    backend::trace_launch(device_->index(), "graph", [&] { device.replay(graph_); });
  }

  void reset() override {
    capture_ = nullptr;
    graph_ = nullptr;
    calls_ = nullptr;
    device_ = nullptr;
  }

  at::MempoolId_t pool() const override {
    return pool_;
  }

  // debug_dump() needs no preparation.
  void enable_debug_mode() override {}

  void debug_dump(const std::string& path) override {
    require_captured();
    std::ofstream file(path);
    file << "digraph launches {\n";
    size_t number = 0;
    for (const auto& launch : graph_->launches()) {
      file << "  " << number << " [label=\"" << launch.program()->name() << "\"];\n";
      if (number > 0) {
        file << "  " << number - 1 << " -> " << number << ";\n";
      }
      ++number;
    }
    file << "}\n";
    TORCH_CHECK(file.flush().good(), "cannot write the graph to ", path);
  }

 private:
  static at::MempoolId_t next_pool() {
    static std::atomic<uint64_t> last = 0;
    return {0, ++last};
  }

  void require_captured() const {
    TORCH_CHECK(graph_ != nullptr, "expected a graph that was captured: capture_begin() and capture_end() come first");
  }

  const at::MempoolId_t pool_ = next_pool();
  TorchDevice* device_ = nullptr;
  std::shared_ptr<CapturedCalls> calls_;
  std::shared_ptr<runtime::Capture> capture_;
  std::shared_ptr<runtime::Graph> graph_;
};

}  // namespace

void register_graphs() {
  const std::string device = c10::DeviceTypeName(c10::kPrivateUse1, /*lower_case=*/false);
  if (!at::GraphImplRegistry()->Has(device)) {
    at::GraphImplRegistry()->Register(
        device, [](at::GraphImplArgs arguments) -> std::unique_ptr<at::GraphImplInterface> {
          return std::make_unique<Graph>(arguments);
        });
  }
}

}  // namespace moe::tt

#else

void moe::tt::register_graphs() {}

#endif
