#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/chip/dram.h"
#include "tt/runtime/emulated/execution/command_queue.h"
#include "tt/runtime/emulated/execution/traffic.h"
#include "tt/runtime/emulated/kernel/program_runner.h"
#include "tt/runtime/process.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

class EmulatedDevice : public Device {
 public:
  EmulatedDevice(Chip chip, uint32_t index);
  ~EmulatedDevice() override;

  const DeviceProperties& properties() const override {
    return chip_.properties;
  }

  std::shared_ptr<Buffer> allocate(uint64_t size, uint32_t page_size) override;
  void write(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source) override;
  void read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) override;

  std::pair<uint32_t, uint32_t> noc_coordinates(uint32_t core) const override;
  std::vector<uint32_t> tensor_accessor_args() const override;
  std::shared_ptr<Program> build(const ProgramDescription& description) override;
  void launch(
      const std::shared_ptr<Program>& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers) override;

  void synchronize() override;
  uint64_t num_launches() const override {
    return num_launches_;
  }
  std::optional<DramTraffic> dram_traffic() const override {
    return traffic_.total();
  }
  void close() noexcept override;

 private:
  // The open device's queue; throws where there is none, or where this is another process.
  CommandQueue& queue() const;
  std::shared_ptr<DramBuffer> own(const std::shared_ptr<Buffer>& buffer) const;
  // As one of this device that holds these bytes.
  std::shared_ptr<DramBuffer> own(const std::shared_ptr<Buffer>& buffer, uint64_t offset, uint64_t size) const;

  Process process_;
  Chip chip_;
  uint32_t index_;
  std::shared_ptr<Dram> dram_;
  TrafficCounter traffic_;
  std::unique_ptr<ProgramRunner> runner_;  // its commands' threads; none once the device is closed
  std::unique_ptr<CommandQueue> queue_;    // likewise
  std::atomic<uint64_t> num_launches_ = 0;
};

}  // namespace moe::tt::runtime::emulated
