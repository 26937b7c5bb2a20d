#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "tt/runtime/metal/chip_mesh.h"
#include "tt/runtime/metal/errors.h"
#include "tt/runtime/process.h"
#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {

class ChipResource;

// One chip, through its mesh, until it is closed. The resources on it keep this object alive, not what is open in it.
class OpenChip {
 public:
  OpenChip(uint32_t index, ChipMesh mesh);

  uint32_t index() const {
    return index_;
  }

  // Calls a function of the open device, one at a time. Throws DeviceError as ChipMesh::require does, and in another
  // process.
  template <typename Call>
  auto use(const std::string& doing, const Call& call) {
    process_.require_current();
    const std::lock_guard lock(mutex_);
    if (closed_) {
      throw DeviceError(str("metal device ", index_, " is closed; nothing of it can be used any more"));
    }
    const std::shared_ptr<MeshDevice> device = mesh_.require();
    return translated(doing, [&] { return call(*device); });
  }

  // Waits for no call.
  ChipUse chip_use() const {
    if (closed_) {
      return ChipUse::kNone;
    }
    return !mesh_.is_borrowed() ? ChipUse::kOwned : mesh_.is_open() ? ChipUse::kBorrowed : ChipUse::kLost;
  }

  // Waits, releases the resources and closes the device, unless it is borrowed.
  void close() noexcept;

 private:
  friend class ChipResource;

  void register_resource(ChipResource* resource);
  void unregister_resource(ChipResource* resource) noexcept;

  const Process process_;
  const uint32_t index_;
  std::mutex mutex_;
  ChipMesh mesh_;
  std::atomic<bool> closed_ = false;
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
