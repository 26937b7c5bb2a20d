#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/zeros_like.h>

#include "tt/backend/fallback/host_kernels.h"

namespace moe::tt::backend {
namespace {

at::Tensor with_bias(const at::Tensor& gates, const std::optional<at::Tensor>& bias) {
  return bias && bias->defined() ? gates + *bias : gates;
}

at::Tensor or_zeros(const std::optional<at::Tensor>& gradient, const at::Tensor& like) {
  return gradient && gradient->defined() ? *gradient : at::zeros_like(like);
}

at::Tensor bias_gradient(const at::Tensor& grad_gates, bool has_bias) {
  return has_bias ? grad_gates.sum(0) : at::Tensor();
}

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> fused_lstm_cell(
    const at::Tensor& input_gates,
    const at::Tensor& hidden_gates,
    const at::Tensor& cx,
    const std::optional<at::Tensor>& input_bias,
    const std::optional<at::Tensor>& hidden_bias) {
  const auto sums = (with_bias(input_gates, input_bias) + with_bias(hidden_gates, hidden_bias)).chunk(4, 1);
  const auto in = sums[0].sigmoid();
  const auto forget = sums[1].sigmoid();
  const auto cell = sums[2].tanh();
  const auto out = sums[3].sigmoid();
  const auto cy = forget * cx + in * cell;
  return {out * cy.tanh(), cy, at::cat({in, forget, cell, out}, 1)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> fused_lstm_cell_backward(
    const std::optional<at::Tensor>& grad_hy,
    const std::optional<at::Tensor>& grad_cy,
    const at::Tensor& cx,
    const at::Tensor& cy,
    const at::Tensor& workspace,
    bool has_bias) {
  const auto gates = workspace.chunk(4, 1);
  const auto &in = gates[0], &forget = gates[1], &cell = gates[2], &out = gates[3];
  const auto tanh_cy = cy.tanh();
  const auto grad_h = or_zeros(grad_hy, cy);
  const auto grad_c = or_zeros(grad_cy, cy) + at::tanh_backward(grad_h * out, tanh_cy);
  const auto grad_gates = at::cat(
      {at::sigmoid_backward(grad_c * cell, in),
       at::sigmoid_backward(grad_c * cx, forget),
       at::tanh_backward(grad_c * in, cell),
       at::sigmoid_backward(grad_h * tanh_cy, out)},
      1);
  return {grad_gates, grad_c * forget, bias_gradient(grad_gates, has_bias)};
}

std::tuple<at::Tensor, at::Tensor> fused_gru_cell(
    const at::Tensor& input_gates,
    const at::Tensor& hidden_gates,
    const at::Tensor& hx,
    const std::optional<at::Tensor>& input_bias,
    const std::optional<at::Tensor>& hidden_bias) {
  const auto input = with_bias(input_gates, input_bias).chunk(3, 1);
  const auto hidden = with_bias(hidden_gates, hidden_bias).chunk(3, 1);
  const auto reset = (hidden[0] + input[0]).sigmoid();
  const auto update = (hidden[1] + input[1]).sigmoid();
  const auto candidate = (input[2] + reset * hidden[2]).tanh();
  return {(hx - candidate) * update + candidate, at::cat({reset, update, candidate, hx, hidden[2]}, 1)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> fused_gru_cell_backward(
    const at::Tensor& grad_hy, const at::Tensor& workspace, bool has_bias) {
  const auto saved = workspace.chunk(5, 1);
  const auto &reset = saved[0], &update = saved[1], &candidate = saved[2], &hx = saved[3], &hidden = saved[4];
  const auto grad_update = at::sigmoid_backward(grad_hy * (hx - candidate), update);
  const auto grad_candidate = at::tanh_backward(grad_hy * (1 - update), candidate);
  const auto grad_reset = at::sigmoid_backward(grad_candidate * hidden, reset);
  const auto grad_input = at::cat({grad_reset, grad_update, grad_candidate}, 1);
  const auto grad_hidden = at::cat({grad_reset, grad_update, grad_candidate * reset}, 1);
  return {
      grad_input,
      grad_hidden,
      grad_hy * update,
      bias_gradient(grad_input, has_bias),
      bias_gradient(grad_hidden, has_bias)};
}

}  // namespace moe::tt::backend
