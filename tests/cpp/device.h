#pragma once

// Devices, and short ways to launch on them.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tt/runtime/runtime.h"

namespace testing {

// A variable of the environment, set for as long as the object lives.
class Environment {
 public:
  Environment(const char* name, const char* value);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> previous_;
};

std::unique_ptr<moe::tt::runtime::Device> open_wormhole();
std::unique_ptr<moe::tt::runtime::Device> open_blackhole();

// A kernel with the same run-time arguments on each of its cores.
moe::tt::runtime::Kernel kernel(
    const std::string& name,
    std::vector<uint32_t> args = {},
    moe::tt::runtime::Cores cores = {0, 1},
    moe::tt::runtime::Processor processor = moe::tt::runtime::Processor::kRiscv0);

// Builds, launches and waits.
void launch(
    moe::tt::runtime::Device& device,
    const moe::tt::runtime::ProgramDescription& description,
    const std::vector<std::shared_ptr<moe::tt::runtime::Buffer>>& buffers = {},
    const std::vector<uint32_t>& common_args = {});

// The message of the DeviceError that building or launching ends in; empty if it ends well.
std::string failure_of(
    moe::tt::runtime::Device& device,
    const moe::tt::runtime::ProgramDescription& description,
    const std::vector<std::shared_ptr<moe::tt::runtime::Buffer>>& buffers = {},
    const std::vector<uint32_t>& common_args = {});

// Launches one kernel on core (2, 1) of a program that has cores (2, 1) and (3, 1), with a buffer of three pages of 64
// bytes, a circular buffer 0 of four pages of 64 bytes and one 1 of one page of 16, and one semaphore; gives the
// failure, without the words about who failed.
class Rule {
 public:
  explicit Rule(std::unique_ptr<moe::tt::runtime::Device> device = open_wormhole()) : device_(std::move(device)) {}

  std::string broken_by(const std::string& name, std::vector<uint32_t> args = {});

  std::vector<uint32_t> compile_args;   // those of an accessor for the buffer if there are none
  bool is_written = true;               // the buffer, before the launch
  std::optional<uint32_t> num_written;  // as the program's

 private:
  std::unique_ptr<moe::tt::runtime::Device> device_;
};

// A buffer of words.
std::shared_ptr<moe::tt::runtime::Buffer> to_device(
    moe::tt::runtime::Device& device, const std::vector<uint32_t>& words, uint32_t page_size);
std::vector<uint32_t> to_host(
    moe::tt::runtime::Device& device, const std::shared_ptr<moe::tt::runtime::Buffer>& buffer);

// What kernels find as compile-time arguments of a TensorAccessor, for each buffer.
std::vector<uint32_t> accessor_args(const std::vector<std::shared_ptr<moe::tt::runtime::Buffer>>& buffers);

std::vector<uint32_t> iota(uint32_t count, uint32_t first = 0);

}  // namespace testing
