#include "tt/backend/fallback/fallback.h"

#include <optional>

#include <ATen/native/CPUFallback.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/fallback/host_generator_guard.h"
#include "tt/backend/fallback/host_operators.h"
#include "tt/backend/fallback/report.h"
#include "tt/backend/fallback/same_device.h"

namespace moe::tt::backend {
namespace {

// Replaces what PyTorch's fallback cannot do with: a device without an index, which is the current one as in PyTorch's
// factories, and an optional tensor that is given and undefined, whose device it asks for.
void normalize(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto& arguments = op.schema().arguments();
  const size_t begin = stack.size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    c10::IValue& argument = stack[begin + i];
    if (argument.isDevice() && argument.toDevice().is_privateuseone() && !argument.toDevice().has_index()) {
      argument = c10::Device(c10::kPrivateUse1, current_device());
    } else if (
        argument.isTensor() && !argument.toTensor().defined() &&
        arguments[i].type()->kind() == c10::TypeKind::OptionalType) {
      argument = c10::IValue();
    }
  }
}

bool names_device(c10::ArrayRef<c10::IValue> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) { return argument.isDevice(); });
}

// Moves new results to the device. PyTorch's fallback puts them where the first tensor argument was, which may have
// been a scalar on the CPU.
void move_results(const c10::OperatorHandle& op, torch::jit::Stack& stack, const at::Device& device) {
  const auto& returns = op.schema().returns();
  const size_t begin = stack.size() - returns.size();
  for (size_t i = 0; i < returns.size(); ++i) {
    c10::IValue& result = stack[begin + i];
    if (returns[i].alias_info() == nullptr && result.isTensor() && result.toTensor().defined()) {
      result = result.toTensor().to(device);
    }
  }
}

}  // namespace

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack, c10::DispatchKey cpu_key) {
  normalize(op, *stack);
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  const auto device = common_device(op, arguments);
  const auto host_op = host_operator(op);
  TORCH_CHECK_NOT_IMPLEMENTED(
      host_op.hasComputedKernelForDispatchKey(cpu_key),
      op.operator_name(),
      " has no kernel for tt, and none for the CPU, where it would run instead: move its tensors to another device");
  // Without one there are no arguments on it, or ttnn has closed it, which the copies of the arguments will say.
  TorchDevice* const open = device ? find_open_device(device->index()) : nullptr;
  if (open != nullptr && open->is_capturing()) {
    open->runtime_device().refuse_in_capture(c10::toString(op.operator_name()) + ", which runs on the CPU,");
  }
  warn_or_raise_fallback(op);
  const FallbackRecord record(op);
  const bool has_device_argument = names_device(arguments);
  if (open != nullptr && !has_device_argument) {
    open->wait();  // for the arguments
  }
  {
    const DeferLaunchChecks defer_launch_checks;
    const HostGeneratorGuard generator_guard(op, *stack, device);
    at::native::cpu_fallback(host_op, stack, /*error_on_views=*/true, cpu_key);
    if (device && !has_device_argument) {
      move_results(op, *stack, *device);
    }
  }
  if (device) {
    // The fallback copied the arguments to the host, which is a wait that the user asked for.
    open_device(device->index()).check_launches();
  }
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  run_on_host(op, stack, c10::DispatchKey::CPU);
}

}  // namespace moe::tt::backend
