#include "tt/backend/fallback/same_device.h"

#include <string>
#include <unordered_map>
#include <unordered_set>

#include <c10/util/Exception.h>

namespace moe::tt::backend {
namespace {

// Calls visit(i, tensor, j) for every defined tensor: argument i, or element j of it.
template <typename Visit>
void for_each_tensor(c10::ArrayRef<c10::IValue> arguments, const Visit& visit) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::IValue& argument = arguments[i];
    if (argument.isTensor()) {
      if (argument.toTensor().defined()) {
        visit(i, argument.toTensor(), std::nullopt);
      }
    } else if (argument.isTensorList() || argument.isOptionalTensorList()) {
      const auto elements = argument.toListRef();
      for (size_t j = 0; j < elements.size(); ++j) {
        if (elements[j].isTensor() && elements[j].toTensor().defined()) {
          visit(i, elements[j].toTensor(), std::optional(j));
        }
      }
    }
  }
}

using Arguments = std::unordered_map<std::string, std::unordered_set<std::string>>;

bool has(const Arguments& table, const c10::OperatorHandle& op, const c10::Argument& argument) {
  const auto found = table.find(op.schema().name());
  return found != table.end() && found->second.count(argument.name()) > 0;
}

// Arguments that CUDA's kernels take from the CPU.
bool may_be_on_cpu(const c10::OperatorHandle& op, const c10::Argument& argument) {
  static const auto& table = *new Arguments{
      {"aten::index", {"indices"}},
      {"aten::_index_put_impl_", {"indices"}},
      {"aten::bernoulli_", {"p"}},
      {"aten::_nested_from_padded", {"cpu_nested_shape_example"}},
      {"aten::_nested_view_from_buffer", {"nested_size", "nested_strides", "offsets"}},
  };
  return has(table, op, argument);
}

// Arguments that may be a number, in operators that are not pointwise or that PyTorch does not call so.
bool may_be_number(const c10::OperatorHandle& op, const c10::Argument& argument) {
  static const auto& table = *new Arguments{
      {"aten::__irshift__", {"other"}},
      {"aten::_add_relu", {"self", "other"}},
      {"aten::_add_relu_", {"other"}},
      {"aten::_fused_adagrad_", {"lr"}},
      {"aten::_fused_adam_", {"lr"}},
      {"aten::_fused_adamw_", {"lr"}},
      {"aten::_fused_sgd_", {"lr"}},
      {"aten::_index_put_impl_", {"values"}},
      {"aten::floor_divide", {"self", "other"}},
      {"aten::floor_divide_", {"other"}},
      {"aten::index_fill_", {"value"}},
      {"aten::masked_fill_", {"value"}},
      {"aten::rsub", {"self", "other"}},
  };
  return op.hasTag(at::Tag::pointwise) || has(table, op, argument);
}

// Whether a tensor elsewhere than the device is one that the operator takes. Python's own numbers are always.
bool is_taken(const c10::OperatorHandle& op, const c10::Argument& argument, const at::Tensor& tensor) {
  if (!tensor.is_cpu() || (argument.alias_info() != nullptr && argument.alias_info()->isWrite())) {
    return false;
  }
  return tensor.unsafeGetTensorImpl()->is_wrapped_number() || may_be_on_cpu(op, argument) ||
         (tensor.dim() == 0 && may_be_number(op, argument));
}

}  // namespace

std::optional<at::Device> common_device(const c10::OperatorHandle& op, c10::ArrayRef<c10::IValue> arguments) {
  std::optional<at::Device> device;
  for_each_tensor(arguments, [&](size_t, const at::Tensor& tensor, std::optional<size_t>) {
    if (!device && tensor.is_privateuseone()) {
      device = tensor.device();
    }
  });
  if (device) {
    for_each_tensor(arguments, [&](size_t i, const at::Tensor& tensor, std::optional<size_t> element) {
      if (tensor.device() == *device) {
        return;
      }
      const c10::Argument& argument = op.schema().arguments()[i];
      TORCH_CHECK(
          is_taken(op, argument, tensor),
          op.schema().name(),
          ": Expected all tensors to be on the same device, but got ",
          argument.name(),
          element ? "[" + std::to_string(*element) + "]" : "",
          " on ",
          tensor.device(),
          ", different from other tensors on ",
          *device,
          ". Move them to one device, with .to(\"",
          *device,
          "\") for instance");
    });
  }
  for (const auto& argument : arguments) {
    if (argument.isDevice() && argument.toDevice().is_privateuseone()) {
      device = argument.toDevice();
    }
  }
  return device;
}

}  // namespace moe::tt::backend
