#include "ops/grouped_linear.h"

#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include "ops/find_operator.h"

namespace moe::autocast {

// In the lower precision, as torch.nn.functional.linear.
template <c10::DeviceType device, c10::DispatchKey key>
at::Tensor grouped_linear_autocast(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  static const auto op = find_operator<decltype(grouped_linear_autocast<device, key>)>(kGroupedLinear);
  const c10::impl::ExcludeDispatchKeyGuard below(key);
  const auto dtype = at::autocast::get_autocast_dtype(device);
  return op.call(
      at::autocast::cached_cast(dtype, input, device),
      at::autocast::cached_cast(dtype, weight, device),
      group_offsets,
      at::autocast::cached_cast(dtype, bias, device),
      grouped_tokens);
}

template <c10::DeviceType device, c10::DispatchKey key>
void register_for(torch::Library& m) {
  m.impl(kGroupedLinear, TORCH_FN((grouped_linear_autocast<device, key>)));
}

TORCH_LIBRARY_IMPL(moe, AutocastCPU, m) {
  register_for<c10::kCPU, c10::DispatchKey::AutocastCPU>(m);
}

TORCH_LIBRARY_IMPL(moe, AutocastCUDA, m) {
  register_for<c10::kCUDA, c10::DispatchKey::AutocastCUDA>(m);
}

TORCH_LIBRARY_IMPL(moe, AutocastPrivateUse1, m) {
  register_for<c10::kPrivateUse1, c10::DispatchKey::AutocastPrivateUse1>(m);
}

}  // namespace moe::autocast
