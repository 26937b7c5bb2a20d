#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tt/runtime/metal/buffer.h"
#include "tt/runtime/metal/open_chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::metal {

class MetalDevice final : public Device {
 public:
  MetalDevice(uint32_t index, std::shared_ptr<MeshDevice> device, std::string kernels);
  ~MetalDevice() override {
    close();
  }

  const DeviceProperties& properties() const override {
    return properties_;
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
    return std::nullopt;
  }
  void close() noexcept override {
    mesh_->close();
  }

 private:
  // As one of this device.
  MetalBuffer& own(const std::shared_ptr<Buffer>& buffer) const;
  // As one of this device that holds these bytes.
  MetalBuffer& own(const std::shared_ptr<Buffer>& buffer, uint64_t offset, uint64_t size) const;

  std::shared_ptr<Mesh> mesh_;
  std::string kernels_;
  DeviceProperties properties_;
  std::vector<std::pair<uint32_t, uint32_t>> noc_coordinates_;
  std::atomic<uint64_t> num_launches_ = 0;
};

}  // namespace moe::tt::runtime::metal
