#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tt/runtime/metal/buffer.h"
#include "tt/runtime/metal/event.h"
#include "tt/runtime/metal/open_chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::metal {

class MetalDevice final : public Device {
 public:
  MetalDevice(uint32_t index, ChipMesh mesh, std::string kernels);
  ~MetalDevice() override {
    do_close();
  }

  const DeviceProperties& properties() const override {
    return properties_;
  }

  ChipUse chip_use() const override {
    return chip_->chip_use();
  }

  std::vector<uint32_t> tensor_accessor_args() const override;
  std::optional<DramTraffic> dram_traffic() const override {
    return std::nullopt;
  }

 protected:
  const void* owner() const override {
    return chip_.get();
  }

  std::shared_ptr<Buffer> do_allocate(uint64_t size, uint32_t page_size) override;
  std::shared_ptr<Buffer> do_view(uint32_t address, uint64_t size, uint32_t page_size) override;
  void do_write(
      const std::shared_ptr<Buffer>& buffer,
      uint64_t offset,
      std::span<const std::byte> source,
      RestOfPage rest) override;
  void do_read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) override;
  std::pair<uint32_t, uint32_t> do_noc_coordinates(uint32_t core) const override;
  std::shared_ptr<Program> do_build(const ProgramDescription& description) override;
  void do_launch(
      const std::shared_ptr<Program>& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers) override;
  std::shared_ptr<Graph> do_capture(std::vector<CapturedLaunch> launches) override;
  void do_replay(const std::shared_ptr<Graph>& graph) override;
  void do_throw_failure() override;
  std::shared_ptr<Event> do_record(bool timed) override;
  bool do_query(const Event& event) override;
  bool do_query() override;
  bool do_wait(const Event& event, std::chrono::milliseconds longest) override;
  DramUsage do_dram_usage() override;
  void do_close() noexcept override {
    chip_->close();
  }

 private:
  // That so many writes and launches have ended is known.
  void have_ended(uint64_t count);

  std::shared_ptr<OpenChip> chip_;
  std::string kernels_;
  DeviceProperties properties_;
  std::vector<std::pair<uint32_t, uint32_t>> noc_coordinates_;

  std::atomic<uint64_t> enqueued_ = 0;  // writes and launches
  std::atomic<uint64_t> ended_ = 0;     // of them, as far as events have shown
  std::mutex marker_mutex_;             // guards what is below
  std::shared_ptr<MetalEvent> marker_;  // the last one that do_query() recorded
};

}  // namespace moe::tt::runtime::metal
