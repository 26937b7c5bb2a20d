#pragma once

#include <sys/types.h>
#include <unistd.h>

#include "tt/runtime/errors.h"

namespace moe::tt::runtime {

// PyTorch's words for it, of any device.
inline constexpr const char* kUsedAfterFork =
    "Cannot use tt devices in a forked subprocess whose parent had opened one. To use tt with multiprocessing, you "
    "must use the 'spawn' start method";

// The process that opened a device. A child of fork() has a copy of the device's memory but none of its threads, and
// perhaps a mutex that one of them held: there a device may neither be used nor taken apart.
class Process {
 public:
  bool is_current() const {
    return getpid() == id_;
  }

  void require_current() const {
    if (!is_current()) {
      throw DeviceError(kUsedAfterFork);
    }
  }

 private:
  pid_t id_ = getpid();
};

}  // namespace moe::tt::runtime
