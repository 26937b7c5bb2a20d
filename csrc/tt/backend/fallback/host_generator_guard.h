#pragma once

#include <mutex>
#include <optional>

#include <ATen/core/Generator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace moe::tt::backend {

// While it lives, a random operator that falls back to the CPU draws from its tt device's generator.
class HostGeneratorGuard {
 public:
  HostGeneratorGuard(const c10::OperatorHandle& op, torch::jit::Stack& stack, std::optional<at::Device> device);
  ~HostGeneratorGuard();
  HostGeneratorGuard(const HostGeneratorGuard&) = delete;
  HostGeneratorGuard& operator=(const HostGeneratorGuard&) = delete;

 private:
  // For an operator without a generator argument, which draws from the CPU's default generator: the state that this one
  // had, and the device's generator whose state it has meanwhile. The lock lets one operator do so at a time.
  std::unique_lock<std::mutex> lock_;
  at::Tensor saved_state_;
  at::Generator replaced_;
};

}  // namespace moe::tt::backend
