#include "tt/backend/fallback/composites.h"

#include "tt/backend/fallback/fallback.h"
#include "tt/backend/fallback/same_device.h"

namespace moe::tt::backend {
namespace {

constexpr auto kComposite = c10::DispatchKey::CompositeExplicitAutogradNonFunctional;

void composite(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  try {
    op.callBoxedForDispatchKey(kComposite, *stack);
  } catch (const c10::Error&) {
    // If tensors on different devices are why, PyTorch's words leave out the operator, or call it a bug.
    common_device(op, torch::jit::last(*stack, op.schema().arguments().size()));
    throw;
  }
}

// Whether its CPU kernel resizes, with a warning, the output that the composite makes.
bool is_resized(const std::string& name) {
  return name == "aten::mse_loss" || name == "aten::smooth_l1_loss";
}

}  // namespace

void register_composites(torch::Library& aten) {
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findOp(name);
    if (name.getNamespace() == "aten" && op && op->hasKernelForDispatchKey(kComposite) &&
        op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) {
      aten.impl(
          c10::toString(name).c_str(),
          is_resized(name.name) ? torch::CppFunction::makeFromBoxedFunction<&fallback>()
                                : torch::CppFunction::makeFromBoxedFunction<&composite>());
    }
  }
}

}  // namespace moe::tt::backend
