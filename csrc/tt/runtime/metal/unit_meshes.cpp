#include "tt/runtime/metal/unit_meshes.h"

#include <chrono>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/chip_lock.h"
#include "tt/runtime/metal/errors.h"
#include "tt/runtime/metal/simulated_chips.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

// How long a process that uses a chip may take to end.
constexpr std::chrono::seconds kPatience(10);

}  // namespace

bool any_chip_is_open(uint32_t count) {
  for (uint32_t chip = 0; chip < count; ++chip) {
    if (active_device(static_cast<int>(chip)) != nullptr) {
      return true;
    }
  }
  return false;
}

std::shared_ptr<Meshes> UnitMeshes::open_all(uint32_t count) {
  std::vector<int> chips(count);
  std::iota(chips.begin(), chips.end(), 0);
  return std::make_shared<Meshes>(open_unit_meshes(chips));
}

ChipMesh UnitMeshes::open(uint32_t index, uint32_t count) {
  const std::lock_guard lock(mutex_);
  const int chip = static_cast<int>(index);
  auto meshes = meshes_.lock();
  if (meshes == nullptr) {
    const std::string opening = str("cannot open ", count, " Tenstorrent device(s) through TT-Metalium");
    borrows_ = borrows_ || translated(opening, [&] {
                 if (!simulator_is_set()) {
                   require_chips_not_in_use(kPatience);
                 }
                 return any_chip_is_open(count);
               });
    if (borrows_) {
      auto borrowed = translated(opening, [&] { return ChipMesh::borrowed(chip); });
      if (!borrowed.is_open()) {
        throw DeviceError(
            str("cannot use chip ",
                index,
                " beside ttnn, which has or had chips of this process open, but not this one: open all that are to be "
                "used with ttnn, as by ttnn.open_device(device_id=",
                index,
                "), and keep them open"));
      }
      return borrowed;
    }
    meshes = translated(opening, [&] {
      require_dispatch_to_simulated_chips(count);
      return open_all(count);
    });
    meshes_ = meshes;
  }
  MeshDevice* mesh = meshes->at(chip).get();
  return ChipMesh::own(chip, {std::move(meshes), mesh});  // a share in all of them
}

}  // namespace moe::tt::runtime::metal
