#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "tt/support/str.h"

namespace moe::tt::runtime {

// A device, its queue or a kernel on it failed. Asynchronous failures are thrown by the next call that waits.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The DRAM of a device at the time of an allocation, in bytes.
struct DramUsage {
  uint64_t banks;     // a number
  uint64_t capacity;  // all banks together
  uint64_t free;      // all banks together, in pieces that may be smaller
  uint64_t largest;   // the largest free piece in a bank
};

class OutOfMemory : public DeviceError {
 public:
  OutOfMemory(uint64_t requested, uint64_t in_each_bank, const DramUsage& dram)
      : DeviceError(
            str("out of device memory: tried to allocate ",
                requested,
                " bytes (",
                in_each_bank,
                " in each of ",
                dram.banks,
                " DRAM banks), but of ",
                dram.capacity,
                " bytes ",
                dram.free,
                " are free, the largest piece in a bank being ",
                dram.largest,
                " bytes")),
        requested(requested),
        free(dram.free) {}

  uint64_t requested;  // bytes
  uint64_t free;       // bytes, in pieces that may be smaller
};

// Makes the call; a DeviceError that it throws then begins with the subject.
template <typename Call>
auto with_context(const std::string& subject, const Call& call) {
  try {
    return call();
  } catch (const DeviceError& error) {
    throw DeviceError(str(subject, ": ", error.what()));
  }
}

}  // namespace moe::tt::runtime
