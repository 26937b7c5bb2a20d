#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "tt/launch/launch.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// The operators' programs on one device, each built at its first use. A program depends on dtypes and the number of
// cores, not on shapes: those are common run-time arguments. Not thread-safe.
class ProgramCache {
 public:
  explicit ProgramCache(runtime::Device& device) : device_(device) {}

  // The program of a launch. Circular buffers and semaphores are the same for every program of a kernel.
  std::shared_ptr<runtime::Program> get(const Launch& launch);

  size_t size() const {
    return programs_.size();
  }

 private:
  // kernel, id size, weight size, kind of pages, options, cores
  using Key = std::tuple<std::string, uint32_t, uint32_t, kernels::PageKind, uint32_t, uint32_t>;

  runtime::Device& device_;
  std::map<Key, std::shared_ptr<runtime::Program>> programs_;
};

}  // namespace moe::tt::launch
