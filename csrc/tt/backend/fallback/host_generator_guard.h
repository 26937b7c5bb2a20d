#pragma once

#include <mutex>
#include <optional>

#include <ATen/core/Generator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace moe::tt::backend {

// While it lives, a random operator that runs on the CPU draws from the generator of its tt device.
class HostGeneratorGuard {
 public:
  HostGeneratorGuard(const c10::OperatorHandle& op, torch::jit::Stack& stack, std::optional<at::Device> device);
  ~HostGeneratorGuard();
  HostGeneratorGuard(const HostGeneratorGuard&) = delete;
  HostGeneratorGuard& operator=(const HostGeneratorGuard&) = delete;

 private:
  // For operators without a generator argument, which use the CPU's default one: what it was, and in whose place it is.
  // One at a time may take its place.
  std::unique_lock<std::mutex> lock_;
  at::Tensor saved_state_;
  at::Generator replaced_;
};

}  // namespace moe::tt::backend
