#pragma once

#include <cstdint>
#include <memory>

#include "tt/runtime/metal/metalium.h"

namespace moe::tt::runtime::metal {

// The mesh through which one chip is used: one of our own, or a borrowed one, that something else in this process has
// opened, which is ttnn as a rule. There is never a second one: each mesh has an allocator that starts at the same
// address, and TT-Metalium lets two of them overwrite each other's memory.
class ChipMesh {
 public:
  static ChipMesh own(int chip, std::shared_ptr<MeshDevice> mesh);
  // The mesh through which the chip is open in this process; not open if there is none. Throws DeviceError if there is
  // one that a device cannot be: one of several chips, or not the only one on this chip.
  static ChipMesh borrowed(int chip);

  bool is_borrowed() const {
    return is_borrowed_;
  }
  // Whether there is still a mesh: a borrowed one may be closed at any time. May be asked from any thread.
  bool is_open() const;

  // The mesh. Throws DeviceError where it is closed, or where what is in its memory is no longer known to be its own.
  std::shared_ptr<MeshDevice> require() const;

  // Closes it if it is our own. May throw what TT-Metalium throws.
  void close();
  // Never closes it, whoever it belongs to.
  void leak() noexcept;

 private:
  ChipMesh() = default;

  int chip_ = 0;
  bool is_borrowed_ = false;
  std::weak_ptr<MeshDevice> mesh_;
  std::shared_ptr<MeshDevice> own_;  // keeps ours open; nothing keeps a borrowed one
};

}  // namespace moe::tt::runtime::metal
