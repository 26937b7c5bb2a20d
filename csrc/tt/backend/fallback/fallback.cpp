#include "tt/backend/fallback/fallback.h"

#include <optional>

#include <ATen/native/CPUFallback.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/fallback/host_generator_guard.h"
#include "tt/backend/fallback/host_operators.h"
#include "tt/backend/fallback/report.h"

namespace moe::tt::backend {
namespace {

void note_device(const at::Tensor& tensor, const c10::OperatorHandle& op, std::optional<at::Device>& device) {
  if (!tensor.defined() || !tensor.is_privateuseone()) {
    return;
  }
  TORCH_CHECK(
      !device || *device == tensor.device(),
      op.schema().name(),
      ": expected tensors on the same tt device, got tensors on ",
      *device,
      " and ",
      tensor.device());
  device = tensor.device();
}

// The tt device of an operator's arguments, of which some may be on the CPU. Throws if there are two.
std::optional<at::Device> common_device(const c10::OperatorHandle& op, c10::ArrayRef<c10::IValue> arguments) {
  std::optional<at::Device> device;
  for (const auto& argument : arguments) {
    if (argument.isTensor()) {
      note_device(argument.toTensor(), op, device);
    } else if (argument.isTensorList()) {
      for (const auto& tensor : argument.toTensorVector()) {
        note_device(tensor, op, device);
      }
    } else if (argument.isOptionalTensorList()) {
      for (const auto& tensor : argument.toOptionalTensorVector()) {
        note_device(tensor.value_or(at::Tensor()), op, device);
      }
    } else if (argument.isDevice() && argument.toDevice().is_privateuseone()) {
      device = argument.toDevice();
    }
  }
  return device;
}

// Throws if the operator writes to a tensor that is not on the device: only a tt tensor gets its values back.
void check_written(const c10::OperatorHandle& op, c10::ArrayRef<c10::IValue> arguments, const at::Device& device) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::Argument& argument = op.schema().arguments()[i];
    if (argument.alias_info() != nullptr && argument.alias_info()->isWrite() && arguments[i].isTensor() &&
        arguments[i].toTensor().defined()) {
      TORCH_CHECK(
          arguments[i].toTensor().device() == device,
          op.schema().name(),
          ": expected all tensors on the same device, got ",
          argument.name(),
          ", which is written to, on ",
          arguments[i].toTensor().device(),
          " and another on ",
          device);
    }
  }
}

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
  const auto host_op = host_operator(op);
  TORCH_CHECK_NOT_IMPLEMENTED(
      host_op.hasComputedKernelForDispatchKey(cpu_key),
      op.operator_name(),
      " has no kernel for tt, and none for the CPU");
  warn_or_raise_fallback(op);
  const FallbackRecord record(op);
  normalize(op, *stack);
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  const auto device = common_device(op, arguments);
  if (device) {
    check_written(op, arguments, *device);
  }
  const bool has_device_argument = names_device(arguments);
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
