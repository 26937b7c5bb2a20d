#include "tt/backend/fallback/composites.h"

#include <string>

#include <c10/util/Exception.h>

#include "tt/backend/fallback/same_device.h"

namespace moe::tt::backend {
namespace {

constexpr auto kComposite = c10::DispatchKey::CompositeExplicitAutogradNonFunctional;

void composite(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  try {
    op.callBoxedForDispatchKey(kComposite, *stack);
  } catch (const c10::Error& error) {
    // If tensors on different devices are why, PyTorch's words leave out the operator, or call it a bug.
    common_device(op, torch::jit::last(*stack, op.schema().arguments().size()));
    const std::string words = error.what_without_backtrace();
    TORCH_CHECK(words.find("on the same device") == std::string::npos, op.schema().name(), ": ", words);
    throw;
  }
}

}  // namespace

void register_composites(torch::Library& aten) {
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getRegistrationsForDispatchKey(kComposite)) {
    const auto op = dispatcher.findOp(name);
    if (name.getNamespace() == "aten" && op && op->hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
        !op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) {
      aten.impl(c10::toString(name).c_str(), torch::CppFunction::makeFromBoxedFunction<&composite>());
    }
  }
}

}  // namespace moe::tt::backend
