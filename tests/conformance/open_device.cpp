#include "open_device.h"

#include <stdexcept>

#include "tt/runtime/plugin.h"
#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace testing {

using namespace moe::tt;
using namespace moe::tt::runtime;

namespace {

std::unique_ptr<Runtime> make_runtime() {
  if (get_env_choice("TORCH_TT_RUNTIME", "emulated", {"metal", "emulated"}) == "metal") {
    return make_metal_runtime(METAL_LIBRARY, KERNELS);
  }
  return make_emulated_runtime();
}

}  // namespace

std::unique_ptr<Device> open_device() {
  // One for the process: TT-Metalium's chips are the process's.
  static const std::unique_ptr<Runtime> runtime = make_runtime();
  return runtime->open(0);
}

std::unique_ptr<Device> open_other_device() {
  return make_emulated_runtime()->open(0);
}

ProgramDescription nothing() {
  return {"p", {}, {}, {}, {kernel("nothing")}};
}

ProgramDescription copy(const Device& device, const Buffer& source) {
  const uint32_t num_pages = static_cast<uint32_t>(source.size() / source.page_size());
  Kernel copy = kernel("copy_pages", {0, num_pages});
  copy.compile_args = device.tensor_accessor_args();
  return {"copy", {}, {{0, source.page_size()}}, {}, {copy}};
}

std::vector<uint32_t> copy_args(const Buffer& source, const Buffer& target) {
  return {source.address(), target.address(), source.page_size()};
}

}  // namespace testing
