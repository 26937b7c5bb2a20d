#include "ops/grouped_linear.h"

#include <cstdint>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <torch/library.h>

#include "ops/cpu/gather.h"
#include "ops/cpu/groups.h"
#include "ops/cpu/rows.h"

namespace moe::cpu {
namespace {

// The rows that are multiplied, a group's at a time: a part of the input, or a copy of the tokens that an index names,
// in memory that every group uses again, small enough for a cache where all rows together are not.
class GroupedRows {
 public:
  GroupedRows(
      const char* op, const at::Tensor& input, const at::Tensor& group_offsets, const std::optional<at::Tensor>& tokens)
      : op_(op),
        input_(tokens.has_value() ? input.contiguous() : input),
        offsets_(group_offsets.contiguous()),
        tokens_(tokens.has_value() ? tokens->contiguous() : at::Tensor()),
        groups_(op, offsets_, tokens.has_value() ? tokens->size(0) : input.size(0)) {
    if (tokens.has_value()) {
      index_.emplace(tokens_, input.size(0));
      copy_ = at::empty({groups_.most_rows(), input.size(1)}, input.options());
    }
  }

  const Groups& groups() const {
    return groups_;
  }

  // Valid until the next call.
  at::Tensor of_group(int64_t begin, int64_t num_rows) {
    if (!index_.has_value()) {
      return input_.narrow(0, begin, num_rows);
    }
    at::Tensor rows = copy_.narrow(0, 0, num_rows);
    gather_rows(rows, input_, *index_, begin);
    return rows;
  }

  void raise_if_any() const {
    if (index_.has_value()) {
      index_->raise_if_any(op_, "grouped_tokens", std::nullopt);
    }
  }

 private:
  const char* op_;
  at::Tensor input_;
  at::Tensor offsets_;
  at::Tensor tokens_;
  Groups groups_;
  std::optional<RowIndex> index_;
  at::Tensor copy_;
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
  GroupedRows rows(kGroupedLinear, input, group_offsets, grouped_tokens);
  const at::Tensor columns = weight.transpose(1, 2);
  rows.groups().for_each([&](int64_t group, int64_t begin, int64_t num_rows) {
    if (num_rows == 0) {
      return;
    }
    at::Tensor product = output.narrow(0, begin, num_rows);
    const at::Tensor factor = rows.of_group(begin, num_rows);
    if (bias.has_value()) {
      at::cpu::addmm_out(product, bias->select(0, group), factor, columns.select(0, group));
    } else {
      at::cpu::mm_out(product, factor, columns.select(0, group));
    }
  });
  rows.raise_if_any();
  const int64_t end = rows.groups().rows_in_use();
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
  GroupedRows rows(kGroupedLinearBackwardWeight, input, group_offsets, grouped_tokens);
  const at::Tensor columns = grad.t();
  rows.groups().for_each([&](int64_t group, int64_t begin, int64_t num_rows) {
    at::Tensor product = products.select(0, group);
    if (num_rows == 0) {
      product.zero_();
      return;
    }
    at::cpu::mm_out(product, columns.narrow(1, begin, num_rows), rows.of_group(begin, num_rows));
  });
  rows.raise_if_any();
  return products;
}

TORCH_LIBRARY_IMPL(moe, CPU, m) {
  m.impl(kGroupedLinear, TORCH_FN(grouped_linear));
  m.impl(kGroupedLinearBackwardWeight, TORCH_FN(grouped_linear_backward_weight));
}

}  // namespace moe::cpu
