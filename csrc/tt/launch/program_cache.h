#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "tt/launch/launch.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// The operators' programs on one device, each built at its first use. A program depends on dtypes and the number of
// cores, not on shapes: those are common run-time arguments. For any thread.
class ProgramCache {
 public:
  explicit ProgramCache(runtime::Device& device) : device_(device) {}

  // The program of a launch. Circular buffers and semaphores are the same for every program of a kernel.
  std::shared_ptr<runtime::Program> get(const Launch& launch);

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return programs_.size();
  }

  runtime::Device& device() const {
    return device_;
  }

 private:
  // kernel, id size, weight size, kind of pages, options, cores
  using Key = std::tuple<std::string, uint32_t, uint32_t, kernels::PageKind, uint32_t, uint32_t>;

  runtime::Device& device_;
  mutable std::mutex mutex_;  // guards what is below, and building: two threads build nothing twice
  std::map<Key, std::shared_ptr<runtime::Program>> programs_;
};

}  // namespace moe::tt::launch
