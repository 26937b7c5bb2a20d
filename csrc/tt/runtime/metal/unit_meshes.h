#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "tt/runtime/metal/chip_mesh.h"

namespace moe::tt::runtime::metal {

// The chips of this process, each as a mesh of its own. TT-Metalium stops the dispatch of all of them when it closes
// one, so they are opened together, when the first one is wanted, and closed together, when the last one is given up.
// Where something else in this process, as ttnn, has opened a chip, its meshes are borrowed, and from then on no other.
class UnitMeshes {
 public:
  // One of `count`. Throws DeviceError where they do not open; the next call tries again.
  ChipMesh open(uint32_t index, uint32_t count);

 private:
  std::shared_ptr<Meshes> open_all(uint32_t count);

  std::mutex mutex_;
  std::weak_ptr<Meshes> meshes_;
  bool borrows_ = false;  // since the first that was borrowed
};

// Whether one of the chips is open in this process. TT-Metalium takes all of them for the process, if nobody has.
bool any_chip_is_open(uint32_t count);

}  // namespace moe::tt::runtime::metal
