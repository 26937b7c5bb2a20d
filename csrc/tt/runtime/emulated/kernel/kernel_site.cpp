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

void KernelSite::order_set(const std::byte* semaphore, uint32_t value) const {
  if (launch_.order != nullptr) {
    if (const auto other = launch_.order->set(number(), semaphore, value)) {
      fail_unordered("sets", "increments", *other);
    }
  }
}

void KernelSite::order_increment(const std::byte* semaphore, uint32_t by) const {
  if (launch_.order != nullptr) {
    if (const auto other = launch_.order->increment(number(), semaphore, by)) {
      fail_unordered("increments", "sets", *other);
    }
  }
}

void KernelSite::fail_unordered(const char* what, const char* other_did, uint32_t other) const {
  fail(
      str(what,
          " a semaphore that ",
          KernelSite(launch_, launch_.program.instances()[other]).who(),
          ", ",
          other_did,
          ", and nothing says which comes first; expected a wait between them, or the one that comes first gets lost"));
}

}  // namespace moe::tt::runtime::emulated
