#include "tt/runtime/plugin.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <string>

#include "tt/runtime/plugin_abi.h"
#include "tt/support/loaded_from.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {
namespace {

std::filesystem::path own_folder() {
  return loaded_from(reinterpret_cast<const void*>(&has_metal_library));
}

}  // namespace

// An installed package has the device's code in its own folder; an editable one, in the checkout around it. The library
// is two folders below the package's.
std::filesystem::path kernels_folder() {
  const auto package = own_folder().parent_path().parent_path();
  const std::array places{package / "csrc/tt/kernels", package.parent_path() / "csrc/tt/kernels"};
  for (const auto& place : places) {
    if (std::filesystem::is_directory(place)) {
      return place;
    }
  }
  throw DeviceError(
      str("the kernels of torch_moe_ttnn are missing: expected them in ",
          places[0].string(),
          " or ",
          places[1].string(),
          "; install the package again"));
}

std::filesystem::path metal_library() {
  return own_folder() / MOE_METAL_LIBRARY;  // setup.py's name for it
}

bool has_metal_library() {
  std::error_code error;
  return std::filesystem::exists(metal_library(), error);
}

std::unique_ptr<Runtime> make_metal_runtime() {
  if (!has_metal_library()) {
    throw DeviceError(
        str("this installation of torch_moe_ttnn was built without TT-Metalium: there is no ",
            metal_library().string(),
            ". Build it again with TT_METALIUM_PREFIX set to TT-Metalium's prefix and TORCH_MOE_METAL=1, or set "
            "TORCH_TT_RUNTIME=emulated for the emulated device"));
  }
  return make_metal_runtime(metal_library(), kernels_folder());
}

std::unique_ptr<Runtime> make_metal_runtime(
    const std::filesystem::path& library, const std::filesystem::path& kernels) {
  // Lazily, for TT-Metalium's libraries leave functions of parts that are not used here undefined. Never closed, for
  // devices and errors of it may live until the process ends.
  void* handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw DeviceError(
        str("the metal runtime does not load: ",
            reason == nullptr ? "unknown error" : reason,
            ". TT-Metalium was moved, removed or updated since torch_moe_ttnn was built, or one of its dependencies is "
            "missing: build torch_moe_ttnn again, or set TORCH_TT_RUNTIME=emulated for the emulated device"));
  }
  const auto make = reinterpret_cast<MakeMetalRuntime>(dlsym(handle, kMakeMetalRuntime));
  if (make == nullptr) {
    throw DeviceError(
        str(library.string(), " has no function ", kMakeMetalRuntime, ": it is not of this build; install again"));
  }
  return std::unique_ptr<Runtime>(make(kernels.c_str()));
}

}  // namespace moe::tt::runtime
