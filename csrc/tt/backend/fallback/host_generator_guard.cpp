#include "tt/backend/fallback/host_generator_guard.h"

#include <ATen/CPUGeneratorImpl.h>

#include "tt/backend/generator.h"

namespace moe::tt::backend {
namespace {

bool is_generator(const c10::Argument& argument) {
  const auto& type = argument.type();
  if (type->kind() == c10::TypeKind::OptionalType) {
    return type->expectRef<c10::OptionalType>().getElementType()->kind() == c10::TypeKind::GeneratorType;
  }
  return type->kind() == c10::TypeKind::GeneratorType;
}

}  // namespace

HostGeneratorGuard::HostGeneratorGuard(
    const c10::OperatorHandle& op, torch::jit::Stack& stack, std::optional<at::Device> device) {
  const auto& arguments = op.schema().arguments();
  const size_t begin = stack.size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (is_generator(arguments[i])) {
      c10::IValue& argument = stack[begin + i];
      if (argument.isGenerator() && !device) {
        // A tt generator for CPU tensors: PyTorch's own error.
        at::check_generator<at::CPUGeneratorImpl>(argument.toGenerator());
      } else if (argument.isGenerator()) {
        argument = host_generator(argument.toGenerator());
      } else if (device) {
        argument = host_generator(default_generator(device->index()));
      }
      return;
    }
  }
  if (device && op.hasTag(at::Tag::nondeterministic_seeded)) {
    static std::mutex replacing;
    lock_ = std::unique_lock(replacing);
    at::Generator cpu = at::detail::getDefaultCPUGenerator();
    replaced_ = host_generator(default_generator(device->index()));
    saved_state_ = cpu.get_state();
    cpu.set_state(replaced_.get_state());
  }
}

HostGeneratorGuard::~HostGeneratorGuard() {
  if (replaced_.defined()) {
    at::Generator cpu = at::detail::getDefaultCPUGenerator();
    replaced_.set_state(cpu.get_state());
    cpu.set_state(saved_state_);
  }
}

}  // namespace moe::tt::backend
