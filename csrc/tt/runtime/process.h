#pragma once

#include <sys/types.h>
#include <unistd.h>

#include "tt/runtime/errors.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {

// The process that opened a device. A child of fork() has a copy of the device's memory but none of its threads, and
// perhaps a mutex that one of them held: there a device may neither be used nor taken apart.
class Process {
 public:
  bool is_current() const {
    return getpid() == id_;
  }

  void require_current() const {
    if (!is_current()) {
      throw DeviceError(
          str("a Tenstorrent device cannot be used after fork(): process ",
              id_,
              " opened it, this is process ",
              getpid(),
              "; open devices only in the child, or start it with the 'spawn' method"));
    }
  }

 private:
  pid_t id_ = getpid();
};

}  // namespace moe::tt::runtime
