#include "tt/runtime/metal/chip_mesh.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include <tt-metalium/allocator.hpp>
#include <tt-metalium/buffer_types.hpp>

#include "tt/runtime/errors.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

using metalium::BufferType;

std::shared_ptr<MeshDevice> active_mesh(int chip) {
  metalium::IDevice* const device = active_device(chip);
  return device == nullptr ? nullptr : device->get_mesh_device();
}

bool has_chip(const MeshDevice& mesh, int chip) {
  const auto chips = mesh.get_device_ids();
  return std::ranges::find(chips, chip) != chips.end();
}

bool has_memory_in_use(const MeshDevice& mesh) {
  const metalium::Allocator& allocator = *mesh.allocator();
  return allocator.get_statistics(BufferType::DRAM).total_allocated_bytes > 0 ||
         allocator.get_statistics(BufferType::L1).total_allocated_bytes > 0;
}

// A mesh has an allocator of its own, apart from that of the mesh it is part of: what is allocated in either is free
// memory to the other.
void require_unused_parents(int chip, const MeshDevice& mesh) {
  for (auto parent = mesh.get_parent_mesh(); parent != nullptr; parent = parent->get_parent_mesh()) {
    // Where meshes of one chip were opened together, the mesh of all of them was never initialized, and has no memory.
    if (parent->is_initialized() && has_memory_in_use(*parent)) {
      throw DeviceError(
          str("chip ",
              chip,
              " is used through a mesh that is part of ",
              parent->to_string(),
              ", and that one has tensors in memory that the part takes to be free: either may overwrite the other's. "
              "Free the tensors of the whole mesh, and allocate them on its parts"));
    }
  }
}

void require_alone(int chip, const MeshDevice& mesh) {
  const auto parent = mesh.get_parent_mesh();
  if (parent == nullptr) {
    return;
  }
  for (const auto& other : parent->get_submeshes()) {
    if (other.get() != &mesh && other->is_initialized() && has_chip(*other, chip)) {
      throw DeviceError(
          str("expected chip ",
              chip,
              " to be open in one mesh, but ",
              other->to_string(),
              " and ",
              mesh.to_string(),
              " both have it, and either may overwrite the other's memory: close all but one of them"));
    }
  }
}

}  // namespace

ChipMesh ChipMesh::own(int chip, std::shared_ptr<MeshDevice> mesh) {
  ChipMesh result;
  result.chip_ = chip;
  result.mesh_ = mesh;
  result.own_ = std::move(mesh);
  return result;
}

ChipMesh ChipMesh::borrowed(int chip) {
  ChipMesh result;
  result.chip_ = chip;
  result.is_borrowed_ = true;
  const auto mesh = active_mesh(chip);
  if (mesh == nullptr || !mesh->is_initialized()) {
    return result;
  }
  if (mesh->num_devices() != 1) {
    throw DeviceError(
        str("chip ",
            chip,
            " is open in this process as a part of ",
            mesh->to_string(),
            ", but a tt device is one chip: make a mesh of each chip, by mesh.create_submeshes(ttnn.MeshShape(1, 1)), "
            "before the first use of tt, and keep it"));
  }
  require_alone(chip, *mesh);
  require_unused_parents(chip, *mesh);
  result.mesh_ = mesh;
  return result;
}

bool ChipMesh::is_open() const {
  const auto mesh = mesh_.lock();
  return mesh != nullptr && mesh->is_initialized();
}

std::shared_ptr<MeshDevice> ChipMesh::require() const {
  auto mesh = mesh_.lock();
  if (mesh == nullptr || !mesh->is_initialized()) {
    throw DeviceError(
        str("chip ",
            chip_,
            " was closed by ",
            is_borrowed_ ? "ttnn, which had opened it" : "other code of this process",
            "; nothing that tt had on it can be used any more. Open it again with ttnn, and make tensors anew"));
  }
  if (active_mesh(chip_) != mesh) {
    throw DeviceError(
        str("chip ",
            chip_,
            " was opened a second time in this process while tt used it, and what is in its memory may be overwritten. "
            "Open it with ttnn before the first use of tt, which then uses the same memory, and make no submeshes of "
            "it after that"));
  }
  if (is_borrowed_) {
    require_unused_parents(chip_, *mesh);
  }
  return mesh;
}

void ChipMesh::close() {
  if (const auto own = std::exchange(own_, nullptr)) {
    own->close();
  }
}

void ChipMesh::leak() noexcept {
  new (std::nothrow) std::shared_ptr<MeshDevice>(std::move(own_));
}

}  // namespace moe::tt::runtime::metal
