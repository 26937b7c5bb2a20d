#include "tt/runtime/emulated/kernel/registry.h"

#include <map>

#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// A function's static, for registrations run before main() in no particular order.
std::map<std::string, KernelFunction>& registered() {
  static std::map<std::string, KernelFunction> registered;
  return registered;
}

}  // namespace

KernelFunction find_kernel(const std::string& name) {
  auto found = registered().find(name);
  if (found != registered().end()) {
    return found->second;
  }
  std::string names;
  for (const auto& kernel : registered()) {
    names += str(names.empty() ? "" : ", ", kernel.first);
  }
  throw DeviceError(
      str("expected the name of a kernel that was built in (",
          names.empty() ? "there is none" : names,
          "), got '",
          name,
          "'"));
}

KernelRegistration::KernelRegistration(const char* name, KernelFunction function) {
  if (!registered().emplace(name, function).second) {
    throw DeviceError(str("two kernels are registered as '", name, "'; give one another name"));
  }
}

}  // namespace moe::tt::runtime::emulated
