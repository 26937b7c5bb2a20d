#include "layout/outputs.h"

#include <ATen/ops/empty.h>

#include "layout/layout.h"

namespace moe {

at::Tensor empty_mapping(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  return at::empty_symint({routing_weights.sym_size(0), num_experts}, routing_weights.options());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> empty_routing(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  const c10::SymInt rows = pad_num_experts(num_experts);
  const c10::SymInt width = routing_weights.sym_size(0) * routing_weights.sym_size(1);
  const auto weight_options = routing_weights.options();
  const auto token_options = weight_options.dtype(at::kUInt32);
  return {
      at::empty_symint({1, rows}, token_options),
      at::empty_symint({rows, width}, token_options),
      at::empty_symint({rows, width}, weight_options)};
}

}  // namespace moe
