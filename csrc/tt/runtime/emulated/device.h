#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/dram.h"
#include "tt/runtime/emulated/execution/checks.h"
#include "tt/runtime/emulated/execution/command_queue.h"
#include "tt/runtime/emulated/execution/traffic.h"
#include "tt/runtime/emulated/kernel/program_runner.h"
#include "tt/runtime/process.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

class EmulatedDevice : public Device {
 public:
  EmulatedDevice(Chip chip, const Checks& checks, uint32_t index);
  ~EmulatedDevice() override;

  const DeviceProperties& properties() const override {
    return chip_.properties;
  }

  std::optional<DramTraffic> dram_traffic() const override {
    return traffic_.total();
  }
  std::vector<uint32_t> tensor_accessor_args() const override;

 protected:
  const void* owner() const override {
    return dram_.get();
  }

  std::shared_ptr<Buffer> do_allocate(uint64_t size, uint32_t page_size) override;
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

  bool do_wait_for_room(std::chrono::milliseconds longest) override;
  void do_throw_failure() override;
  std::shared_ptr<Event> do_record(bool timed) override;
  bool do_query(const Event& event) override;
  bool do_query() override;
  bool do_wait(const Event& event, std::chrono::milliseconds longest) override;
  DramUsage do_dram_usage() override;
  void do_close() noexcept override;

 private:
  Process process_;
  Chip chip_;
  std::shared_ptr<Dram> dram_;
  TrafficCounter traffic_;
  std::unique_ptr<ProgramRunner> runner_;  // its commands' threads; none once the device is closed
  std::unique_ptr<CommandQueue> queue_;    // other threads may be waiting when the device closes
};

}  // namespace moe::tt::runtime::emulated
