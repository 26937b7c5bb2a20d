#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <tt-metalium/host_api.hpp>

#include "tt/runtime/hardware.h"
#include "tt/runtime/metal/chip_lock.h"
#include "tt/runtime/metal/device.h"
#include "tt/runtime/metal/release.h"
#include "tt/runtime/metal/simulated_chips.h"
#include "tt/runtime/metal/surroundings.h"
#include "tt/runtime/metal/unit_meshes.h"
#include "tt/runtime/plugin_abi.h"
#include "tt/support/environment.h"
#include "tt/support/loaded_from.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

// Whether a folder has TT-Metalium's device headers and firmware.
bool is_runtime_root(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_directory(folder / "tt_metal/hw", error);
}

// Tells TT-Metalium where its device headers and firmware are: beside the library that was loaded, where
// TT_METAL_RUNTIME_ROOT says nothing else.
void find_runtime_root() {
  constexpr const char* kVariable = "TT_METAL_RUNTIME_ROOT";
  const std::string root = get_env(kVariable);
  if (!root.empty()) {
    // TT-Metalium would look only once it has begun to open a device, and then fail to close it.
    if (!is_runtime_root(root)) {
      throw EnvironmentError(kVariable, "the folder of TT-Metalium that holds tt_metal/hw", root);
    }
    if (const auto harmless = harmless_path(root); harmless != root) {
      setenv(kVariable, harmless.c_str(), /*overwrite=*/1);
    }
    return;
  }
  const auto lib = loaded_from(reinterpret_cast<const void*>(&metalium::CreateProgram));
  // An installed prefix; a source tree's build/lib; a ttnn wheel's build/lib; a prefix with the tree itself.
  for (const char* place : {"../runtime", "../..", "../libexec/tt-metalium", ".."}) {
    std::error_code error;
    const auto folder = std::filesystem::canonical(lib / place, error);
    if (!error && is_runtime_root(folder)) {
      metalium::SetRootDir(harmless_path(folder).string());
      return;
    }
  }
  // It may know one from when it was built.
}

void check_simulator() {
  const std::filesystem::path simulator = get_env(kSimulatorVariable);
  const std::filesystem::path description = simulator.parent_path() / "soc_descriptor.yaml";
  std::error_code error;
  for (const auto& file : {simulator, description}) {
    if (!std::filesystem::exists(file, error)) {
      throw EnvironmentError(
          kSimulatorVariable,
          str("Tenstorrent's simulator libttsim.so, with the soc_descriptor.yaml of its chip beside it (there is no ",
              file.string(),
              ")"),
          simulator.string());
    }
  }
}

bool ttnn_is_loaded() {
  return dlopen("_ttnncpp.so", RTLD_LAZY | RTLD_NOLOAD) != nullptr;
}

class MetalRuntime final : public Runtime {
 public:
  explicit MetalRuntime(const std::filesystem::path& kernels) : kernels_(harmless_path(kernels).string()) {
    if (!ttnn_is_loaded()) {
      prepare_surroundings();
      keep_queues_on_simulated_chips();
    }
    find_runtime_root();
  }

  std::string name() const override {
    return "metal";
  }

  uint32_t device_count() const noexcept override {
    const std::lock_guard lock(mutex_);
    if (!count_) {
      count_ = count();
    }
    return *count_;
  }

  std::unique_ptr<Device> open(uint32_t index) override {
    return std::make_unique<MetalDevice>(index, chips_.open(index, device_count()), kernels_);
  }

 private:
  static uint32_t count() noexcept {
    if (simulator_is_set() && !simulated_cluster_is_set()) {
      return 1;
    }
    try {
      if (!simulator_is_set()) {
        require_chips_not_in_use(std::chrono::seconds(0));
      }
      const auto count = static_cast<uint32_t>(metalium::GetNumAvailableDevices());
      // Counting takes the chips for this process; others may want them. Where ttnn is in use they are not ours to
      // give.
      if (!ttnn_is_loaded() && !any_chip_is_open(count)) {
        release_chips();
      }
      return count;
    } catch (...) {
      // Opening one of them says what is wrong.
      return simulator_is_set() ? 1 : count_device_files();
    }
  }

  const std::string kernels_;
  UnitMeshes chips_;
  mutable std::mutex mutex_;
  mutable std::optional<uint32_t> count_;
};

}  // namespace
}  // namespace moe::tt::runtime::metal

extern "C" [[gnu::visibility("default")]] moe::tt::runtime::Runtime* moe_tt_make_metal_runtime(const char* kernels) {
  moe::tt::runtime::metal::require_built_release();
  if (moe::tt::runtime::simulator_is_set()) {
    moe::tt::runtime::metal::check_simulator();
  } else if (moe::tt::runtime::count_device_files() == 0) {
    throw moe::tt::runtime::DeviceError(
        "the metal runtime finds no Tenstorrent device: /dev/tenstorrent has none, and TT_METAL_SIMULATOR names no "
        "simulator. Check with tt-smi that the card is there and that its kernel driver (tt-kmd) is loaded, or set "
        "TORCH_TT_RUNTIME=emulated for the emulated device");
  }
  return new moe::tt::runtime::metal::MetalRuntime(kernels);
}
