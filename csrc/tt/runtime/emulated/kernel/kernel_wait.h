#pragma once

#include <functional>
#include <string>

#include "tt/runtime/emulated/execution/condition.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/noc.h"

namespace moe::tt::runtime::emulated {

// How a kernel waits for what other kernels do.
class KernelWait {
 public:
  KernelWait(const KernelSite& kernel, NocInterface& noc);
  KernelWait(const KernelWait&) = delete;
  KernelWait& operator=(const KernelWait&) = delete;

  // Returns when the condition holds. Throws Aborted if the launch fails before that.
  void until(const Condition& condition) const;

 private:
  const KernelSite& kernel_;
  NocInterface& noc_;
  const std::function<std::string()> describe_;  // the kernel, for the report of a deadlock
};

}  // namespace moe::tt::runtime::emulated
