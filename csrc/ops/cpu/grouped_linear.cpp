#include "ops/grouped_linear.h"

#include <cstdint>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/library.h>

#include "ops/cpu/gather.h"
#include "ops/cpu/groups.h"
#include "ops/cpu/memory.h"
#include "ops/cpu/rows.h"

namespace moe::cpu {
namespace {

// The rows that are multiplied: those of the input, or those that an index names of it. Any thread may ask for them.
class GroupedRows {
 public:
  GroupedRows(const at::Tensor& input, const std::optional<at::Tensor>& tokens)
      : input_(tokens.has_value() ? input.contiguous() : input),
        tokens_(tokens.has_value() ? tokens->contiguous() : at::Tensor()) {
    if (tokens.has_value()) {
      index_.emplace(tokens_, input.size(0));
    }
  }

  int64_t size() const {
    return index_.has_value() ? index_->size() : input_.size(0);
  }

  // A part of the input, or a copy of rows that the index names: small enough for a cache where all rows together are
  // not.
  at::Tensor part(int64_t begin, int64_t num_rows) {
    if (!index_.has_value()) {
      return input_.narrow(0, begin, num_rows);
    }
    at::Tensor rows = at::empty({num_rows, input_.size(1)}, input_.options());
    gather_rows(rows, input_, *index_, begin);
    return rows;
  }

  void raise_if_any(const char* op) const {
    if (index_.has_value()) {
      index_->raise_if_any(op, "grouped_tokens", std::nullopt);
    }
  }

 private:
  at::Tensor input_;
  at::Tensor tokens_;
  std::optional<RowIndex> index_;
};

}  // namespace

at::Tensor grouped_linear(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear(input, weight, group_offsets, bias, grouped_tokens);
  at::Tensor output = empty_grouped_linear(input, weight, grouped_tokens);
  GroupedRows rows(input, grouped_tokens);
  const auto offsets = group_offsets.expect_contiguous();
  const Groups groups(kGroupedLinear, *offsets, rows.size());
  const at::Tensor columns = weight.transpose(1, 2);
  groups.for_each([&](int64_t group, int64_t begin, int64_t num_rows) {
    if (num_rows == 0) {
      return;
    }
    const at::AutoDispatchBelowADInplaceOrView below;  // of this thread
    at::Tensor product = output.narrow(0, begin, num_rows);
    const at::Tensor factor = rows.part(begin, num_rows);
    if (bias.has_value()) {
      at::cpu::addmm_out(product, bias->select(0, group), factor, columns.select(0, group));
    } else {
      at::cpu::mm_out(product, factor, columns.select(0, group));
    }
  });
  rows.raise_if_any(kGroupedLinear);
  const int64_t end = groups.rows_in_use();
  output.narrow(0, end, output.size(0) - end).zero_();
  return output;
}

at::Tensor grouped_linear_backward_weight(
    const at::Tensor& grad,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear_backward_weight(grad, input, group_offsets, grouped_tokens);
  at::Tensor products = empty_grouped_linear_backward_weight(grad, input, group_offsets);
  GroupedRows rows(input, grouped_tokens);
  const auto offsets = group_offsets.expect_contiguous();
  const Groups groups(kGroupedLinearBackwardWeight, *offsets, rows.size());
  const at::Tensor columns = grad.t();
  groups.for_each([&](int64_t group, int64_t begin, int64_t num_rows) {
    const at::AutoDispatchBelowADInplaceOrView below;  // of this thread
    at::Tensor product = products.select(0, group);
    if (num_rows == 0) {
      product.zero_();
      return;
    }
    at::cpu::mm_out(product, columns.narrow(1, begin, num_rows), rows.part(begin, num_rows));
  });
  rows.raise_if_any(kGroupedLinearBackwardWeight);
  return products;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kGroupedLinear, TORCH_FN((saying_memory<kGroupedLinear, grouped_linear>)));
  m.impl(
      kGroupedLinearBackwardWeight,
      TORCH_FN((saying_memory<kGroupedLinearBackwardWeight, grouped_linear_backward_weight>)));
}

}  // namespace moe::cpu
