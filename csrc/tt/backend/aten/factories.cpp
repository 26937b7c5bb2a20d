#include <ATen/EmptyTensor.h>
#include <c10/core/DeviceGuard.h>

#include "tt/backend/aten/operators.h"
#include "tt/backend/device/devices.h"
#include "tt/backend/memory/caching_allocator.h"

namespace moe::tt::backend {
namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

void check_options(std::optional<at::Layout> layout, std::optional<bool> pin_memory) {
  check_not_forked();
  TORCH_CHECK(c10::layout_or_default(layout) == at::kStrided, "expected layout torch.strided on tt, got ", *layout);
  TORCH_CHECK(!c10::pinned_memory_or_default(pin_memory), "expected pin_memory=False on tt: only CPU memory is pinned");
}

}  // namespace

at::Tensor empty_memory_format(
    at::IntArrayRef size,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout> layout,
    std::optional<at::Device> device,
    std::optional<bool> pin_memory,
    std::optional<at::MemoryFormat> memory_format) {
  check_options(layout, pin_memory);
  const c10::DeviceGuard device_guard(c10::device_or_default(device));
  return at::detail::empty_generic(size, allocator(), kKeys, c10::dtype_or_default(dtype), memory_format);
}

at::Tensor empty_strided(
    at::IntArrayRef size,
    at::IntArrayRef stride,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout> layout,
    std::optional<at::Device> device,
    std::optional<bool> pin_memory) {
  check_options(layout, pin_memory);
  const c10::DeviceGuard device_guard(c10::device_or_default(device));
  return at::detail::empty_strided_generic(size, stride, allocator(), kKeys, c10::dtype_or_default(dtype));
}

}  // namespace moe::tt::backend
