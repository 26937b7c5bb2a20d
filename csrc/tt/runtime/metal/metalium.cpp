#include "tt/runtime/metal/metalium.h"

#include <tt-metalium/mesh_event.hpp>
#include <tt-metalium/tt_metal.hpp>

namespace moe::tt::runtime::metal {

Meshes open_unit_meshes(const std::vector<int>& chips) {
  return MeshDevice::create_unit_meshes(chips);
}

metalium::IDevice* active_device(int chip) {
  return metalium::detail::GetActiveDevice(chip);
}

void release_chips() {
  metalium::detail::ReleaseOwnership();
}

void compile(MeshDevice& device, metalium::Program& program) {
  metalium::detail::CompileProgram(&device, program);
}

bool is_counted(const MeshEvent& event) {
  return event.id() != 0;
}

}  // namespace moe::tt::runtime::metal
