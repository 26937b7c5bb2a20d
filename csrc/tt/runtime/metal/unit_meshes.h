#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "tt/runtime/metal/open_chip.h"

namespace moe::tt::runtime::metal {

// The chips of this process, each as a mesh of its own. TT-Metalium stops the dispatch of all of them when it closes
// one, so they are opened together, when the first one is wanted, and closed together, when the last one is given up.
class UnitMeshes {
 public:
  // One of `count`. Throws DeviceError where they do not open; the next call tries again.
  std::shared_ptr<MeshDevice> open(uint32_t index, uint32_t count);

 private:
  using Meshes = std::map<int, std::shared_ptr<MeshDevice>>;

  std::mutex mutex_;
  std::weak_ptr<Meshes> meshes_;
};

}  // namespace moe::tt::runtime::metal
