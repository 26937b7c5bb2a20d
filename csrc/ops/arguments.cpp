#include "ops/arguments.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

#include <c10/core/ScalarType.h>
#include <c10/util/safe_numerics.h>

#include "contract/choices.h"

namespace moe {
namespace {

// A copy: what this returned before torch 2.13 is a temporary string.
std::string dtype_name(at::ScalarType dtype) {
  return std::string(c10::getDtypeNames(dtype).first);
}

bool is_one_of(at::ScalarType dtype, std::initializer_list<at::ScalarType> dtypes) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

void check_id_dtype(const char* op, const char* name, const at::Tensor& ids) {
  TORCH_CHECK(
      is_one_of(ids.scalar_type(), {at::kUInt16, at::kUInt32, at::kInt, at::kLong}),
      op,
      ": expected ",
      name,
      " of dtype uint16, uint32, int32 or int64, got ",
      dtype_name(ids.scalar_type()));
}

void check_weight_dtype(const char* op, const char* name, const at::Tensor& weights) {
  TORCH_CHECK(
      is_one_of(weights.scalar_type(), {at::kBFloat16, at::kHalf, at::kFloat}),
      op,
      ": expected ",
      name,
      " of dtype bfloat16, float16 or float32, got ",
      dtype_name(weights.scalar_type()));
}

void check_num_experts(const char* op, const c10::SymInt& top_k, const c10::SymInt& num_experts) {
  TORCH_SYM_CHECK(num_experts.sym_ge(1), op, ": expected num_experts of at least 1, got ", num_experts);
  TORCH_CHECK(
      product_fits({num_experts}, kMaxExperts), op, ": expected num_experts of at most 2^32 - 1, got ", num_experts);
  TORCH_SYM_CHECK(
      top_k.sym_le(num_experts),
      op,
      ": expected no more choices a token than experts (K <= num_experts), got K = ",
      top_k,
      " and num_experts = ",
      num_experts);
}

}  // namespace

bool product_fits(c10::SymIntArrayRef sizes, uint64_t limit) {
  uint64_t product = 1;
  bool overflows = false;
  for (const auto& size : sizes) {
    const auto value = size.maybe_as_int();
    if (!value.has_value() || *value == 0) {
      return true;
    }
    overflows |= c10::mul_overflows(product, static_cast<uint64_t>(*value), &product);
  }
  return !overflows && product <= limit;
}

void check_router_choices(
    const char* op,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    const c10::SymInt& num_experts) {
  TORCH_CHECK(selected_experts.defined(), op, ": expected a tensor for selected_experts, got None");
  TORCH_CHECK(routing_weights.defined(), op, ": expected a tensor for routing_weights, got None");
  check_same_device(op, "selected_experts", selected_experts.device(), "routing_weights", routing_weights.device());
  check_id_dtype(op, "selected_experts", selected_experts);
  check_weight_dtype(op, "routing_weights", routing_weights);

  const auto ids = selected_experts.sym_sizes();
  const auto weights = routing_weights.sym_sizes();
  TORCH_CHECK(ids.size() == 2, op, ": expected selected_experts of shape (T, K), got shape ", ids);
  TORCH_CHECK(weights.size() == 2, op, ": expected routing_weights of shape (T, K), got shape ", weights);
  TORCH_SYM_CHECK(
      ids[0].sym_eq(weights[0]).sym_and(ids[1].sym_eq(weights[1])),
      op,
      ": expected selected_experts and routing_weights of the same shape (T, K), got shapes ",
      ids,
      " and ",
      weights);
  check_num_experts(op, ids[1], num_experts);
}

void check_same_device(
    const char* op,
    const char* first,
    const c10::Device& first_device,
    const char* other,
    const c10::Device& other_device) {
  TORCH_CHECK(
      first_device == other_device,
      op,
      ": expected ",
      first,
      " and ",
      other,
      " on the same device, got ",
      first_device,
      " and ",
      other_device);
}

void check_local_experts(
    const char* op, const std::optional<at::Tensor>& local_experts, const at::Tensor& selected_experts) {
  if (!local_experts.has_value()) {
    return;
  }
  check_same_device(op, "selected_experts", selected_experts.device(), "local_experts", local_experts->device());
  check_id_dtype(op, "local_experts", *local_experts);
  TORCH_CHECK(
      local_experts->dim() == 1, op, ": expected local_experts of shape (L,), got shape ", local_experts->sym_sizes());
}

void check_size(const char* op, const char* name, const c10::SymInt& size, int64_t least, int64_t limit) {
  TORCH_SYM_CHECK(size.sym_ge(least), op, ": expected ", name, " of at least ", least, ", got ", size);
  TORCH_CHECK(
      product_fits({size}, static_cast<uint64_t>(limit)),
      op,
      ": expected ",
      name,
      " of at most ",
      limit,
      ", got ",
      size);
}

void check_rows(const char* op, const char* name, const char* shape, const at::Tensor& rows) {
  TORCH_CHECK(rows.defined(), op, ": expected a tensor for ", name, ", got None");
  // Zeros of float8_e8m0fnu are not to be had.
  TORCH_CHECK(
      at::isFloatingType(rows.scalar_type()) && rows.scalar_type() != at::kFloat8_e8m0fnu,
      op,
      ": expected ",
      name,
      " of a floating dtype that has a zero, got ",
      dtype_name(rows.scalar_type()));
  TORCH_CHECK(rows.dim() == 2, op, ": expected ", name, " of shape ", shape, ", got shape ", rows.sym_sizes());
}

void check_indices(const char* op, const char* name, const char* shape, int64_t num_dims, const at::Tensor& indices) {
  TORCH_CHECK(indices.defined(), op, ": expected a tensor for ", name, ", got None");
  TORCH_CHECK(
      indices.scalar_type() == at::kInt,
      op,
      ": expected ",
      name,
      " of dtype int32, got ",
      dtype_name(indices.scalar_type()));
  TORCH_CHECK(
      indices.dim() == num_dims, op, ": expected ", name, " of shape ", shape, ", got shape ", indices.sym_sizes());
}

void check_summed_dtypes(const char* op, const char* name, const at::Tensor& rows, const at::Tensor& routing_weights) {
  TORCH_CHECK(routing_weights.defined(), op, ": expected a tensor for routing_weights, got None");
  const auto summed = {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble};
  TORCH_CHECK(
      is_one_of(rows.scalar_type(), summed),
      op,
      ": expected ",
      name,
      " of dtype bfloat16, float16, float32 or float64, got ",
      dtype_name(rows.scalar_type()));
  TORCH_CHECK(
      is_one_of(routing_weights.scalar_type(), summed) &&
          (routing_weights.scalar_type() != at::kDouble || rows.scalar_type() == at::kDouble),
      op,
      ": expected routing_weights of dtype bfloat16, float16 or float32, or float64 beside float64, got ",
      dtype_name(routing_weights.scalar_type()),
      " beside ",
      dtype_name(rows.scalar_type()));
}

void check_choices_grad(
    const char* op,
    const char* shape,
    const at::Tensor& grad,
    const at::Tensor& selected_experts,
    const c10::SymInt& num_experts,
    const std::optional<at::Tensor>& local_experts) {
  check_id_dtype(op, "selected_experts", selected_experts);
  const auto ids = selected_experts.sym_sizes();
  TORCH_CHECK(ids.size() == 2, op, ": expected selected_experts of shape (T, K), got shape ", ids);
  check_num_experts(op, ids[1], num_experts);
  check_weight_dtype(op, "grad", grad);
  check_same_device(op, "grad", grad.device(), "selected_experts", selected_experts.device());
  check_local_experts(op, local_experts, selected_experts);
  check_rows(op, "grad", shape, grad);
}

c10::SymInt num_rows_of(const std::optional<at::Tensor>& local_experts, const c10::SymInt& num_experts) {
  return local_experts.has_value() ? local_experts->sym_size(0) : num_experts;
}

}  // namespace moe
