#pragma once

// Launches that are kept instead of enqueued, to be enqueued any number of times.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "export.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime {

// As Device::launch was given it. While it lives, its buffers are captured ones.
class CapturedLaunch {
 public:
  CapturedLaunch(
      std::shared_ptr<Program> program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers)
      : program_(std::move(program)),
        common_args_(common_args.begin(), common_args.end()),
        buffers_(buffers.begin(), buffers.end()) {
    for (const auto& buffer : buffers_) {
      ++buffer->num_captured_;
    }
  }
  CapturedLaunch(CapturedLaunch&&) = default;  // leaves none behind
  CapturedLaunch& operator=(CapturedLaunch&&) = delete;
  ~CapturedLaunch() {
    for (const auto& buffer : buffers_) {
      --buffer->num_captured_;
    }
  }

  const std::shared_ptr<Program>& program() const {
    return program_;
  }
  std::span<const uint32_t> common_args() const {
    return common_args_;
  }
  std::span<const std::shared_ptr<Buffer>> buffers() const {
    return buffers_;
  }

 private:
  std::shared_ptr<Program> program_;
  std::vector<uint32_t> common_args_;
  std::vector<std::shared_ptr<Buffer>> buffers_;
};

// What a thread has launched on a device since begin_capture(). Given up by whoever holds it, on any thread, it ends.
class Capture {
 public:
  Capture(const void* device, std::shared_ptr<std::atomic<uint32_t>> count);
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture();

  // This thread's on the device; null if it does not capture.
  static std::shared_ptr<Capture> of_this_thread(const void* device);

 private:
  friend class Device;

  // Throws, here and when the capture ends.
  [[noreturn]] void refuse(const std::string& reason);

  const void* const device_;
  const std::shared_ptr<std::atomic<uint32_t>> count_;  // the device's captures that are under way
  std::vector<CapturedLaunch> launches_;
  std::optional<std::string> refused_;  // the first that was
};

// Launches that were captured. Holds their programs and buffers.
class Graph {
 public:
  Graph(const void* owner, std::vector<CapturedLaunch> launches) : owner_(owner), launches_(std::move(launches)) {}
  virtual ~Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // As Buffer::owner.
  const void* owner() const {
    return owner_;
  }

  const std::vector<CapturedLaunch>& launches() const {
    return launches_;
  }

 private:
  const void* const owner_;  // whose programs keep it alive
  const std::vector<CapturedLaunch> launches_;
};

}  // namespace moe::tt::runtime
