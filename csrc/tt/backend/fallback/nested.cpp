#include "tt/backend/fallback/nested.h"

#include <ATen/NestedTensorImpl.h>
#include <ATen/ops/_nested_tensor_size_native.h>
#include <ATen/ops/_nested_tensor_storage_offsets_native.h>
#include <ATen/ops/_nested_tensor_strides_native.h>
#include <ATen/ops/_nested_view_from_buffer.h>
#include <ATen/ops/_nested_view_from_buffer_native.h>
#include <ATen/ops/_to_copy.h>
#include <ATen/ops/_to_copy_native.h>
#include <ATen/ops/alias_native.h>
#include <ATen/ops/chunk_native.h>
#include <ATen/ops/clone_native.h>
#include <ATen/ops/copy_native.h>
#include <ATen/ops/detach_native.h>
#include <ATen/ops/empty_like_native.h>
#include <ATen/ops/is_same_size_native.h>
#include <ATen/ops/narrow_native.h>
#include <ATen/ops/select_native.h>
#include <ATen/ops/split_with_sizes_native.h>
#include <ATen/ops/squeeze_native.h>
#include <ATen/ops/transpose_native.h>
#include <ATen/ops/unbind_native.h>
#include <ATen/ops/unsqueeze_native.h>
#include <ATen/ops/values_native.h>
#include <ATen/ops/view_native.h>

#include "tt/backend/fallback/fallback.h"
#include "tt/backend/library.h"

namespace moe::tt::backend {
namespace {

void nested_fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  run_on_host(op, stack, c10::DispatchKey::NestedTensorCPU);
}

// PyTorch's own asks for a contiguous tensor. This one copies the buffer that a transposed one is a view of.
at::Tensor to_copy(
    const at::Tensor& self,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout> layout,
    std::optional<at::Device> device,
    std::optional<bool> pin_memory,
    bool non_blocking,
    std::optional<at::MemoryFormat> memory_format) {
  if (self.is_contiguous() || memory_format.value_or(at::MemoryFormat::Preserve) != at::MemoryFormat::Preserve) {
    return at::native::_to_copy_nested(self, dtype, layout, device, pin_memory, non_blocking, memory_format);
  }
  auto* const impl = at::native::get_nested_tensor_impl(self);
  return at::_nested_view_from_buffer(
      at::_to_copy(
          impl->get_unsafe_storage_as_tensor(), dtype, at::kStrided, device, pin_memory, non_blocking, std::nullopt),
      impl->get_nested_sizes(),
      impl->get_nested_strides(),
      impl->get_storage_offsets());
}

// The fallback's way back into an argument that an operator writes to.
at::Tensor copy_back(const at::Tensor& self, const at::Tensor& dst) {
  return dst.copy_(self);
}

}  // namespace

void register_nested() {
  using at::IntArrayRef;
  using at::Tensor;
  implement("aten", c10::DispatchKey::PrivateUse1)
      .impl("_nested_view_from_buffer", &at::native::_nested_view_from_buffer);

  auto& aten = implement("aten", c10::DispatchKey::NestedTensorPrivateUse1);
  aten.impl("_to_copy", &to_copy);
  aten.impl("_copy_from_and_resize", &copy_back);
  aten.impl("copy_", &at::native::copy_nested_);
  aten.impl("clone", &at::native::clone_nested);
  aten.impl("empty_like", &at::native::empty_like_nested);

  aten.impl("_nested_tensor_size", &at::native::_nested_tensor_size);
  aten.impl("_nested_tensor_strides", &at::native::_nested_tensor_strides);
  aten.impl("_nested_tensor_storage_offsets", &at::native::_nested_tensor_storage_offsets);
  aten.impl("is_same_size", &at::native::nested_is_same_size);

  aten.impl("alias", &at::native::alias_nested);
  aten.impl("detach", &at::native::detach);
  aten.impl("chunk", &at::native::chunk_nested_tensor);
  aten.impl("narrow", &at::native::narrow_nested_symint);
  aten.impl("select.int", &at::native::select_nested);
  aten.impl("split_with_sizes", &at::native::split_with_sizes_nested);
  aten.impl("squeeze", &at::native::squeeze_nested);
  aten.impl("squeeze.dim", static_cast<Tensor (*)(const Tensor&, int64_t)>(&at::native::squeeze_dim_nested));
  aten.impl("squeeze.dims", static_cast<Tensor (*)(const Tensor&, IntArrayRef)>(&at::native::squeeze_dim_nested));
  aten.impl("transpose.int", &at::native::transpose_nested);
  aten.impl("unbind.int", &at::native::NestedTensor_unbind);
  aten.impl("unsqueeze", &at::native::unsqueeze_nested);
  aten.impl("values", &at::native::values_nested);
  aten.impl("view", &at::native::view_nested);

  // Where an operator is composed of others for any device, which is of no use for a nested tensor, that would come
  // before the fallback.
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getRegistrationsForDispatchKey(c10::DispatchKey::NestedTensorCPU)) {
    const auto op = dispatcher.findOp(name);
    if (op && !op->hasKernelForDispatchKey(c10::DispatchKey::NestedTensorPrivateUse1)) {
      aten.impl(c10::toString(name).c_str(), torch::CppFunction::makeFromBoxedFunction<&nested_fallback>());
    }
  }
  implement("_", c10::DispatchKey::NestedTensorPrivateUse1)
      .fallback(torch::CppFunction::makeFromBoxedFunction<&nested_fallback>());
}

}  // namespace moe::tt::backend
