#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include <tt-metalium/mesh_device.hpp>

#include "tt/runtime/metal/errors.h"
#include "tt/runtime/process.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {

// In TT-Metalium's own words.
namespace metalium = ::tt::tt_metal;
using metalium::distributed::MeshDevice;

class ChipResource;

// One chip as a mesh of its own, until it is closed. The resources on it keep this object alive, not what is open in
// it.
class OpenChip {
 public:
  OpenChip(uint32_t index, std::shared_ptr<MeshDevice> device);

  uint32_t index() const {
    return index_;
  }

  // Calls a function of the open device, one at a time. Throws DeviceError if it is closed, or
  // in another process.
  template <typename Call>
  auto use(const std::string& doing, const Call& call) {
    process_.require_current();
    const std::lock_guard lock(mutex_);
    if (device_ == nullptr) {
      throw DeviceError(str("metal device ", index_, " is closed; nothing of it can be used any more"));
    }
    return translated(doing, [&] { return call(*device_); });
  }

  // Waits, releases the resources and closes the device.
  void close() noexcept;

 private:
  friend class ChipResource;

  void register_resource(ChipResource* resource);
  void unregister_resource(ChipResource* resource) noexcept;

  const Process process_;
  const uint32_t index_;
  std::mutex mutex_;
  std::shared_ptr<MeshDevice> device_;
  std::unordered_set<ChipResource*> resources_;
};

// What holds something of the device, such as memory, which it must give back before the device closes.
class ChipResource {
 public:
  explicit ChipResource(std::shared_ptr<OpenChip> chip) : chip_(std::move(chip)) {}
  virtual ~ChipResource() = default;
  ChipResource(const ChipResource&) = delete;
  ChipResource& operator=(const ChipResource&) = delete;

  OpenChip& chip() const {
    return *chip_;
  }

 protected:
  // The derived class's constructor calls it within OpenChip::use, once there is something to release.
  void register_with_chip() {
    chip_->register_resource(this);
  }
  // The derived class's destructor calls it.
  void unregister() noexcept {
    chip_->unregister_resource(this);
  }

 private:
  friend class OpenChip;

  // Gives back what it holds; may throw what TT-Metalium throws.
  virtual void release() = 0;
  // Leaks it: in a forked child it is the parent's.
  virtual void leak_after_fork() noexcept = 0;

  std::shared_ptr<OpenChip> chip_;
};

}  // namespace moe::tt::runtime::metal
