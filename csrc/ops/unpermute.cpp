#include "ops/unpermute.h"

#include <torch/library.h>

#include "ops/arguments.h"
#include "ops/outputs.h"

TORCH_LIBRARY_FRAGMENT(moe, m) {
  m.def(
      "unpermute(Tensor expert_outputs, Tensor routing_weights, Tensor positions) -> Tensor",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "unpermute_backward_expert_outputs(Tensor grad, Tensor routing_weights, Tensor positions, SymInt num_rows)"
      " -> Tensor",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "unpermute_backward_routing_weights(Tensor grad, Tensor expert_outputs, Tensor routing_weights, Tensor positions)"
      " -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

namespace moe {
namespace {

// `rows` are the expert_outputs, or a gradient of their dtype.
void check_weighted_rows(
    const char* op,
    const char* name,
    const char* shape,
    const at::Tensor& rows,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  check_rows(op, name, shape, rows);
  check_summed_dtypes(op, name, rows, routing_weights);
  check_indices(op, "positions", "(T, K)", 2, positions);
  check_same_device(op, name, rows.device(), "routing_weights", routing_weights.device());
  check_same_device(op, name, rows.device(), "positions", positions.device());
  const auto weights = routing_weights.sym_sizes();
  const auto places = positions.sym_sizes();
  TORCH_CHECK(weights.size() == 2, op, ": expected routing_weights of shape (T, K), got shape ", weights);
  TORCH_SYM_CHECK(
      weights[0].sym_eq(places[0]).sym_and(weights[1].sym_eq(places[1])),
      op,
      ": expected routing_weights and positions of the same shape (T, K), got shapes ",
      weights,
      " and ",
      places);
}

void check_grad(const char* op, const at::Tensor& grad, const at::Tensor& positions) {
  TORCH_SYM_CHECK(
      grad.sym_size(0).sym_eq(positions.sym_size(0)),
      op,
      ": expected grad and positions of the same T, got shapes ",
      grad.sym_sizes(),
      " and ",
      positions.sym_sizes());
}

}  // namespace

void check_unpermute(const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions) {
  check_weighted_rows(kUnpermute, "expert_outputs", "(N, H)", expert_outputs, routing_weights, positions);
}

at::Tensor empty_unpermuted(const at::Tensor& expert_outputs, const at::Tensor& positions) {
  return empty_output(
      kUnpermute, {positions.sym_size(0), expert_outputs.sym_size(1)}, expert_outputs.scalar_type(), expert_outputs);
}

void check_unpermute_backward_expert_outputs(
    const at::Tensor& grad,
    const at::Tensor& routing_weights,
    const at::Tensor& positions,
    const c10::SymInt& num_rows) {
  constexpr auto op = kUnpermuteBackwardExpertOutputs;
  check_weighted_rows(op, "grad", "(T, H)", grad, routing_weights, positions);
  check_grad(op, grad, positions);
  TORCH_SYM_CHECK(num_rows.sym_ge(0), op, ": expected num_rows of at least 0, got ", num_rows);
}

at::Tensor empty_unpermute_backward_expert_outputs(const at::Tensor& grad, const c10::SymInt& num_rows) {
  return empty_output(kUnpermuteBackwardExpertOutputs, {num_rows, grad.sym_size(1)}, grad.scalar_type(), grad);
}

void check_unpermute_backward_routing_weights(
    const at::Tensor& grad,
    const at::Tensor& expert_outputs,
    const at::Tensor& routing_weights,
    const at::Tensor& positions) {
  constexpr auto op = kUnpermuteBackwardRoutingWeights;
  check_weighted_rows(op, "expert_outputs", "(N, H)", expert_outputs, routing_weights, positions);
  check_rows(op, "grad", "(T, H)", grad);
  check_same_device(op, "grad", grad.device(), "expert_outputs", expert_outputs.device());
  check_grad(op, grad, positions);
  TORCH_CHECK(
      grad.scalar_type() == expert_outputs.scalar_type(),
      op,
      ": expected grad of the dtype of expert_outputs, got ",
      grad.scalar_type(),
      " and ",
      expert_outputs.scalar_type());
  TORCH_SYM_CHECK(
      grad.sym_size(1).sym_eq(expert_outputs.sym_size(1)),
      op,
      ": expected grad and expert_outputs of the same H, got shapes ",
      grad.sym_sizes(),
      " and ",
      expert_outputs.sym_sizes());
}

at::Tensor empty_unpermute_backward_routing_weights(const at::Tensor& routing_weights) {
  return empty_output(
      kUnpermuteBackwardRoutingWeights, routing_weights.sym_sizes(), routing_weights.scalar_type(), routing_weights);
}

}  // namespace moe
