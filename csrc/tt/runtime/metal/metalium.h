#pragma once

#include <map>
#include <memory>
#include <vector>

#include <tt-metalium/mesh_device.hpp>

namespace tt::tt_metal {
class Program;
namespace distributed {
class MeshEvent;
}
}  // namespace tt::tt_metal

// What changes with TT-Metalium's release: its names, and what the metal runtime needs of it that is not in its public
// interface or has left it. The rest, which kept its form from 0.73 to 0.81, is called as it is.
namespace moe::tt::runtime::metal {

// In TT-Metalium's own words.
namespace metalium = ::tt::tt_metal;
using metalium::distributed::MeshDevice;
using metalium::distributed::MeshEvent;

using Meshes = std::map<int, std::shared_ptr<MeshDevice>>;

// The chips, each as a mesh of its own, through which the process has them until the last is closed.
Meshes open_unit_meshes(const std::vector<int>& chips);

// The device through which a chip is open in this process; nullptr if it is not.
metalium::IDevice* active_device(int chip);

// Gives back the chips that TT-Metalium took to look at them. None may be open.
void release_chips();

// Compiles the kernels, which EnqueueMeshWorkload() would do, and throws what the compiler says. Gone from 0.81.
void compile(MeshDevice& device, metalium::Program& program);

// Whether the queue counts the event: in slow dispatch it does not, and takes all to be done. Gone from 0.81.
bool is_counted(const MeshEvent& event);

}  // namespace moe::tt::runtime::metal
