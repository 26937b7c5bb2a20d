#include "tt/runtime/emulated/kernel/kernel_wait.h"

namespace moe::tt::runtime::emulated {

KernelWait::KernelWait(const KernelSite& kernel, NocInterface& noc)
    : kernel_(kernel), noc_(noc), describe_([this] { return kernel_.who() + noc_.describe_outstanding(); }) {}

void KernelWait::until(const Condition& condition) const {
  kernel_.check_aborted();
  // Time passes while a kernel waits, so the writes that it has flushed arrive.
  noc_.deliver_sent();
  kernel_.launch().scheduler.wait(
      kernel_.number(), kernel_.core(), static_cast<uint32_t>(kernel_.processor()), condition, describe_);
  kernel_.acquire(condition.place());
}

}  // namespace moe::tt::runtime::emulated
