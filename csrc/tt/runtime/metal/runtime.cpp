#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <tt-metalium/host_api.hpp>
#include <tt-metalium/tt_metal.hpp>

#include "tt/runtime/chips.h"
#include "tt/runtime/loaded_from.h"
#include "tt/runtime/metal/device.h"
#include "tt/runtime/metal/entry.h"
#include "tt/runtime/text.h"

namespace moe::tt::metal {
namespace {

// Tells TT-Metalium where its device headers and firmware are: beside the library that was loaded, where
// TT_METAL_RUNTIME_ROOT says nothing else.
void find_runtime_root() {
  const char* variable = std::getenv("TT_METAL_RUNTIME_ROOT");
  if (variable != nullptr && *variable != '\0') {
    return;
  }
  const auto lib = loaded_from(reinterpret_cast<const void*>(&metalium::CreateProgram));
  // An installed prefix; a source tree's build/lib; a ttnn wheel's build/lib; a prefix with the tree itself.
  for (const char* place : {"../runtime", "../..", "../libexec/tt-metalium", ".."}) {
    std::error_code error;
    const auto root = std::filesystem::canonical(lib / place, error);
    if (!error && std::filesystem::is_directory(root / "tt_metal/hw")) {
      metalium::SetRootDir(root.string());
      return;
    }
  }
  // It may know one from when it was built.
}

class MetalRuntime final : public Runtime {
 public:
  explicit MetalRuntime(std::string kernels) : kernels_(std::move(kernels)) {
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
    return std::make_unique<MetalDevice>(index, kernels_);
  }

 private:
  static uint32_t count() noexcept {
    if (simulator_is_set()) {
      return 1;
    }
    try {
      const auto count = static_cast<uint32_t>(metalium::GetNumAvailableDevices());
      // Counting takes the chips for this process, of which nothing is open yet; others may want them.
      metalium::detail::ReleaseOwnership();
      return count;
    } catch (...) {
      // Opening one of them says what is wrong.
      return count_device_files();
    }
  }

  const std::string kernels_;
  mutable std::mutex mutex_;
  mutable std::optional<uint32_t> count_;
};

}  // namespace
}  // namespace moe::tt::metal

extern "C" [[gnu::visibility("default")]] moe::tt::Runtime* moe_tt_make_metal_runtime(const char* kernels) {
  if (!moe::tt::simulator_is_set() && moe::tt::count_device_files() == 0) {
    throw moe::tt::DeviceError(
        "the metal runtime finds no Tenstorrent device: /dev/tenstorrent has none, and TT_METAL_SIMULATOR names no "
        "simulator. Check "
        "with tt-smi that the card is there and that its kernel driver (tt-kmd) is loaded, or set "
        "TORCH_TT_RUNTIME=emulated for the emulated device");
  }
  return new moe::tt::metal::MetalRuntime(kernels);
}
