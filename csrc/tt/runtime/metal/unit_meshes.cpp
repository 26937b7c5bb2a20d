#include "tt/runtime/metal/unit_meshes.h"

#include <chrono>
#include <numeric>
#include <vector>

#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/chip_lock.h"

namespace moe::tt::runtime::metal {
namespace {

// How long a process that uses a chip may take to end.
constexpr std::chrono::seconds kPatience(10);

}  // namespace

std::shared_ptr<MeshDevice> UnitMeshes::open(uint32_t index, uint32_t count) {
  const std::lock_guard lock(mutex_);
  auto meshes = meshes_.lock();
  if (meshes == nullptr) {
    meshes = translated(str("cannot open ", count, " Tenstorrent device(s) through TT-Metalium"), [&] {
      if (!simulator_is_set()) {
        require_chips_not_in_use(kPatience);
      }
      std::vector<int> chips(count);
      std::iota(chips.begin(), chips.end(), 0);
      return std::make_shared<Meshes>(MeshDevice::create_unit_meshes(chips));
    });
    meshes_ = meshes;
  }
  MeshDevice* mesh = meshes->at(static_cast<int>(index)).get();
  return {std::move(meshes), mesh};  // a share in all of them
}

}  // namespace moe::tt::runtime::metal
