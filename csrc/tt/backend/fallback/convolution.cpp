#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

#include "tt/backend/fallback/host_kernels.h"

namespace moe::tt::backend {

at::Tensor convolution(
    const at::Tensor& input,
    const at::Tensor& weight,
    const std::optional<at::Tensor>& bias,
    at::IntArrayRef stride,
    at::IntArrayRef padding,
    at::IntArrayRef dilation,
    bool transposed,
    at::IntArrayRef output_padding,
    int64_t groups) {
  return at::convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& grad_output,
    const at::Tensor& input,
    const at::Tensor& weight,
    at::IntArrayRef stride,
    at::IntArrayRef padding,
    at::IntArrayRef dilation,
    bool transposed,
    at::IntArrayRef output_padding,
    int64_t groups,
    std::array<bool, 3> output_mask) {
  // A bias has one value for each channel of the output.
  const int64_t channels = grad_output.size(input.dim() == weight.dim() ? 1 : 0);
  return at::convolution_backward(
      grad_output,
      input,
      weight,
      at::OptionalIntArrayRef({channels}),
      stride,
      padding,
      dilation,
      transposed,
      output_padding,
      groups,
      output_mask);
}

}  // namespace moe::tt::backend
