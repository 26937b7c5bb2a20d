#include "tt/backend/fallback/fallback.h"

#include <optional>

#include <ATen/native/CPUFallback.h>

#include "tt/backend/device/torch_device.h"
#include "tt/backend/fallback/host_generator_guard.h"
#include "tt/backend/fallback/same_device.h"

namespace moe::tt::backend {
namespace {

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

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  const auto device = common_device(op, arguments);
  warn_or_raise_fallback(op);
  const bool has_device_argument = names_device(arguments);
  {
    const DeferLaunchChecks defer_launch_checks;
    const HostGeneratorGuard generator_guard(op, *stack, device);
    at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
    if (device && !has_device_argument) {
      move_results(op, *stack, *device);
    }
  }
  if (device) {
    // The fallback copied the arguments to the host, which is a wait that the user asked for.
    open_device(device->index()).check_launches();
  }
}

}  // namespace moe::tt::backend
