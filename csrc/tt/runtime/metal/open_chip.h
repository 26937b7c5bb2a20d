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

class Resident;

// One chip as a mesh of its own, until it is closed. Its residents keep this object, not what is open in it, alive.
class Mesh {
 public:
  Mesh(uint32_t index, std::shared_ptr<MeshDevice> device);

  uint32_t index() const {
    return index_;
  }

  bool is_of_this_process() const {
    return process_.is_current();
  }

  // Calls a function of the open device, one at a time. Throws where there is none, or where this is another process.
  template <typename Call>
  auto use(const std::string& doing, const Call& call) {
    process_.require_current();
    const std::lock_guard lock(mutex_);
    if (device_ == nullptr) {
      throw DeviceError(str("metal device ", index_, " is closed; nothing of it can be used any more"));
    }
    return translated(doing, [&] { return call(*device_); });
  }

  // Waits, releases the residents and closes the device.
  void close() noexcept;

 private:
  friend class Resident;

  void enter(Resident* resident);
  void leave(Resident* resident) noexcept;

  const Process process_;
  const uint32_t index_;
  std::mutex mutex_;
  std::shared_ptr<MeshDevice> device_;
  std::unordered_set<Resident*> residents_;
};

// What holds something of the device, such as memory, which it must give back before the device closes.
class Resident {
 public:
  explicit Resident(std::shared_ptr<Mesh> mesh) : mesh_(std::move(mesh)) {}
  virtual ~Resident() = default;
  Resident(const Resident&) = delete;
  Resident& operator=(const Resident&) = delete;

  Mesh& mesh() const {
    return *mesh_;
  }

 protected:
  // For the derived class's constructor, once it has something to release, within Mesh::use; and for its destructor.
  void enter() {
    mesh_->enter(this);
  }
  void leave() noexcept {
    mesh_->leave(this);
  }

 private:
  friend class Mesh;

  // Gives back what it holds; may throw what TT-Metalium throws.
  virtual void release() = 0;
  // Forgets it without giving it back: in a forked child it is the parent's.
  virtual void abandon() noexcept = 0;

  std::shared_ptr<Mesh> mesh_;
};

}  // namespace moe::tt::runtime::metal
