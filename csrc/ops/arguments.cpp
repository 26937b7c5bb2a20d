#include "ops/arguments.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <c10/core/ScalarType.h>
#include <c10/util/safe_numerics.h>

#include "contract/choices.h"

namespace moe {
namespace {

std::string_view dtype_name(at::ScalarType dtype) {
  return c10::getDtypeNames(dtype).first;
}

bool is_one_of(at::ScalarType dtype, std::initializer_list<at::ScalarType> dtypes) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

}  // namespace

bool product_fits(std::initializer_list<c10::SymInt> sizes, uint64_t limit) {
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
  check_same_device(op, selected_experts.device(), routing_weights.device());
  TORCH_CHECK(
      is_one_of(selected_experts.scalar_type(), {at::kUInt16, at::kUInt32, at::kInt, at::kLong}),
      op,
      ": expected selected_experts of dtype uint16, uint32, int32 or int64, got ",
      dtype_name(selected_experts.scalar_type()));
  TORCH_CHECK(
      is_one_of(routing_weights.scalar_type(), {at::kBFloat16, at::kHalf, at::kFloat}),
      op,
      ": expected routing_weights of dtype bfloat16, float16 or float32, got ",
      dtype_name(routing_weights.scalar_type()));

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
  TORCH_SYM_CHECK(num_experts.sym_ge(1), op, ": expected num_experts of at least 1, got ", num_experts);
  TORCH_CHECK(
      product_fits({num_experts}, kMaxExperts), op, ": expected num_experts of at most 2^32 - 1, got ", num_experts);
  TORCH_SYM_CHECK(
      ids[1].sym_le(num_experts),
      op,
      ": expected no more choices a token than experts (K <= num_experts), got K = ",
      ids[1],
      " and num_experts = ",
      num_experts);
}

void check_same_device(const char* op, const c10::Device& selected_experts, const c10::Device& routing_weights) {
  TORCH_CHECK(
      selected_experts == routing_weights,
      op,
      ": expected selected_experts and routing_weights on the same device, got ",
      selected_experts,
      " and ",
      routing_weights);
}

}  // namespace moe
