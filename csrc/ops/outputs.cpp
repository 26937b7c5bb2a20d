#include "ops/outputs.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>

#include "contract/layout.h"

namespace moe {
namespace {

at::Tensor empty(c10::SymIntArrayRef sizes, at::ScalarType dtype, const at::Tensor& like) {
  // Without the dispatcher, whose way here takes as long as the allocation; and without the filling of uninitialised
  // memory that deterministic algorithms ask it for, as every element will be written.
  if (like.is_cpu()) {
    return at::detail::empty_cpu(C10_AS_INTARRAYREF_SLOW(sizes), dtype);
  }
  return at::empty_symint(sizes, like.options().dtype(dtype));
}

}  // namespace

at::Tensor empty_mapping(const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  return empty({routing_weights.sym_size(0), num_experts}, routing_weights.scalar_type(), routing_weights);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> empty_routing(
    const at::Tensor& routing_weights, const c10::SymInt& num_experts) {
  const c10::SymInt rows = pad_num_experts(num_experts);
  const c10::SymInt width = routing_weights.sym_size(0) * routing_weights.sym_size(1);
  return {
      empty({1, rows}, at::kUInt32, routing_weights),
      empty({rows, width}, at::kUInt32, routing_weights),
      empty({rows, width}, routing_weights.scalar_type(), routing_weights)};
}

}  // namespace moe
