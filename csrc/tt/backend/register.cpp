#include "tt/backend/register.h"

#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/is_set_to_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>

#include "tt/backend/aten/operators.h"
#include "tt/backend/fallback/composites.h"
#include "tt/backend/fallback/fallback.h"
#include "tt/backend/fallback/host_operators.h"
#include "tt/backend/fallback/nested.h"
#include "tt/backend/fallback/refused.h"
#include "tt/backend/library.h"
#include "tt/backend/memory/caching_allocator.h"
#include "tt/backend/memory/host_allocator.h"

namespace moe::tt::backend {
namespace {

// A device has one stream: there is nothing to record.
void record_stream(at::Tensor&, at::Stream) {}

void register_kernels() {
  auto& aten = implement("aten", c10::DispatchKey::PrivateUse1);
  aten.impl("empty.memory_format", &empty_memory_format);
  aten.impl("empty_strided", &empty_strided);

  // Views are arithmetic on offsets and strides: PyTorch's own kernels serve any device.
  aten.impl("as_strided", &at::native::as_strided_tensorimpl);
  aten.impl("view", &at::native::view);
  aten.impl("_reshape_alias", &at::native::_reshape_alias);
  aten.impl("unfold", &at::native::unfold);
  aten.impl("view_as_real", &at::native::view_as_real);
  aten.impl("view_as_complex", &at::native::view_as_complex);

  aten.impl("resize_", &resize_);
  aten.impl("set_", &set_empty_);
  aten.impl("set_.source_Storage_storage_offset", &set_storage_);
  aten.impl("set_.source_Storage", static_cast<at::Tensor& (*)(at::Tensor&, at::Storage)>(&at::native::set_));
  aten.impl("set_.source_Tensor", &at::native::set_tensor_);
  aten.impl("is_set_to", &at::native::is_set_to);
  aten.impl("record_stream", &record_stream);
  aten.impl("_has_compatible_shallow_copy_type", &has_compatible_shallow_copy_type);

  aten.impl("_copy_from", &copy_from);
  aten.impl("_copy_from_and_resize", &copy_from_and_resize);
  aten.impl("_local_scalar_dense", &local_scalar_dense);
  aten.impl("fill_.Scalar", &fill_scalar_);
  aten.impl("fill_.Tensor", &fill_tensor_);
  aten.impl("zero_", &zero_);

  // PyTorch has kernels of these for every device, which would come before the fallback. Some ask what the device is
  // and have no answer for one from outside; two losses make an output that their own kernel resizes, with a warning;
  // others are composed of operators, each with copies and a rounding of its own, where the CPU has one kernel.
  define_host_operators();
  for (const char* name : {
           "_convolution",
           "convolution",
           "convolution_backward",
           "convolution_backward_overrideable",
           "convolution_overrideable",
           "kaiser_window",
           "kaiser_window.beta",
           "kaiser_window.periodic",
           "_stack",
           "_stack.out",
           "addr",
           "addr.out",
           "all.dims",
           "all.dims_out",
           "any.dims",
           "any.dims_out",
           "conj_physical_",
           "linalg__powsum",
           "mse_loss",
           "native_group_norm",
           "native_layer_norm",
           "smooth_l1_loss",
       }) {
    aten.impl(name, torch::CppFunction::makeFromBoxedFunction<&fallback>());
  }
  register_nested();
  refuse_other_layouts();

  implement("_", c10::DispatchKey::PrivateUse1).fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
  register_composites(aten);

  implement("_", c10::DispatchKey::AutocastPrivateUse1).fallback(torch::CppFunction::makeFallthrough());
  register_autocast(implement("aten", c10::DispatchKey::AutocastPrivateUse1));

  // copy_from() takes care of these bits. PyTorch would resolve them first and give it a temporary tensor as its
  // destination, since the schema does not say that the operator writes there.
  for (const auto key : {c10::DispatchKey::Conjugate, c10::DispatchKey::Negative}) {
    implement("aten", key).impl("_copy_from", torch::CppFunction::makeFallthrough());
  }
}

}  // namespace

void register_backend() {
  static bool registered = false;
  if (registered) {
    return;
  }
  TORCH_CHECK(
      !c10::is_privateuse1_backend_registered() && !at::isPrivateUse1HooksRegistered(),
      "PyTorch has room for one device from outside, and \"",
      c10::get_privateuse1_backend(),
      "\" has taken it: \"tt\" cannot be used in the same process");
  c10::register_privateuse1_backend("tt");
  c10::SetAllocator(c10::kPrivateUse1, allocator());
  at::setHostAllocator(c10::kPrivateUse1, host_allocator());
  c10::impl::DeviceGuardImplRegistrar(c10::kPrivateUse1, guard());
  at::RegisterPrivateUse1HooksInterface(hooks());
  register_profiler_stubs();
  register_activities();
  register_kernels();
  registered = true;
}

}  // namespace moe::tt::backend
