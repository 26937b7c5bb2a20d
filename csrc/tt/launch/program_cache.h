#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>

#include "tt/launch/router_choices.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// The operators' programs on one device, each built at its first use. A program depends on dtypes and the number of
// cores, not on shapes: those are common run-time arguments. Not thread-safe.
class ProgramCache {
 public:
  explicit ProgramCache(runtime::Device& device) : device_(device) {}

  // A program that runs a kernel on both processors of the cores [0, num_cores). The circular buffers, of so many
  // bytes, have the indices 0, 1, …; they are the same for every program of a kernel, as are the semaphores.
  std::shared_ptr<runtime::Program> get(
      const std::string& kernel,
      const RouterChoices& choices,
      uint32_t num_cores,
      uint32_t num_semaphores,
      std::span<const uint32_t> circular_buffers);

  size_t size() const {
    return programs_.size();
  }

 private:
  using Key = std::tuple<std::string, uint32_t, uint32_t, uint32_t>;  // kernel, id size, weight size, cores

  runtime::Device& device_;
  std::map<Key, std::shared_ptr<runtime::Program>> programs_;
};

}  // namespace moe::tt::launch
