#include "tt/runtime/emulated/kernel/kernel_site.h"

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

void KernelSite::fail(const std::string& rule) const {
  throw DeviceError(str(who(), ": ", rule));
}

std::string KernelSite::who() const {
  auto [x, y] = launch_.chip.logical(instance_.core);
  return str(
      "kernel '", instance_.kernel->name, "' on core (", x, ", ", y, "), ", name_of(instance_.kernel->processor));
}

}  // namespace moe::tt::runtime::emulated
