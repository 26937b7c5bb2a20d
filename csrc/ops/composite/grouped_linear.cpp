#include "ops/grouped_linear.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <torch/library.h>

#include "contract/permute.h"
#include "ops/composite/choices.h"
#include "ops/find_operator.h"

namespace moe::composite {
namespace {

at::Tensor rows_of(const at::Tensor& input, const std::optional<at::Tensor>& grouped_tokens) {
  static const auto permute = find_operator<at::Tensor(const at::Tensor&, const at::Tensor&)>(kPermute);
  return grouped_tokens.has_value() ? permute.call(input, *grouped_tokens) : input;
}

// Matrices as PyTorch's grouped product takes them: as they are where their rows or their columns lie without gaps and
// begin at multiples of 16 bytes, else a copy whose rows do.
at::Tensor aligned(const at::Tensor& matrices) {
  const int64_t multiple = 16 / matrices.element_size();
  const int64_t rows = matrices.size(-2);
  const int64_t columns = matrices.size(-1);
  const auto lies_well = [&](int64_t step, int64_t pitch, int64_t size) {
    return step == 1 && pitch >= size && pitch % multiple == 0;
  };
  const bool begin_well = std::ranges::all_of(
      matrices.strides().slice(0, matrices.dim() - 2), [&](int64_t stride) { return stride % multiple == 0; });
  if (matrices.storage_offset() % multiple == 0 && begin_well &&
      (lies_well(matrices.stride(-1), matrices.stride(-2), columns) ||
       lies_well(matrices.stride(-2), matrices.stride(-1), rows))) {
    return matrices;
  }
  const int64_t padding = (multiple - columns % multiple) % multiple;
  return at::constant_pad_nd(matrices.contiguous(), {0, padding}).narrow(-1, 0, columns);
}

}  // namespace

// By PyTorch's own grouped product, which leaves rows after the last group as they were.
at::Tensor grouped_linear_composite(
    const at::Tensor& input,
    const at::Tensor& weight,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear(input, weight, group_offsets, bias, grouped_tokens);
  const at::Tensor rows = rows_of(input, grouped_tokens);
  const int64_t num_groups = weight.size(0);
  const int64_t num_rows = rows.size(0);
  if (num_groups == 0 || num_rows == 0) {
    return at::zeros({num_rows, weight.size(1)}, rows.options());
  }
  assert_indices(kGroupedLinear, "group_offsets", group_offsets, num_rows + 1);
  const at::Tensor ends = group_offsets.narrow(0, 1, num_groups);
  at::Tensor output = weight.numel() == 0
                          ? at::zeros({num_rows, weight.size(1)}, rows.options())
                          : at::_grouped_mm(aligned(rows), aligned(weight).transpose(1, 2), ends).contiguous();
  const at::Tensor row = at::arange(num_rows, group_offsets.options());
  if (bias.has_value()) {
    const at::Tensor group = at::searchsorted(ends, row, /*out_int32=*/true, /*right=*/true).clamp_max_(num_groups - 1);
    output.add_(bias->index_select(0, group));
  }
  return output.masked_fill_((row >= group_offsets.select(0, num_groups)).unsqueeze(1), 0);
}

at::Tensor grouped_linear_backward_weight(
    const at::Tensor& grad,
    const at::Tensor& input,
    const at::Tensor& group_offsets,
    const std::optional<at::Tensor>& grouped_tokens) {
  check_grouped_linear_backward_weight(grad, input, group_offsets, grouped_tokens);
  const at::Tensor rows = rows_of(input, grouped_tokens);
  const int64_t num_groups = group_offsets.size(0) - 1;
  if (num_groups == 0 || grad.numel() == 0 || rows.numel() == 0) {
    return at::zeros({num_groups, grad.size(1), rows.size(1)}, rows.options());
  }
  assert_indices(kGroupedLinearBackwardWeight, "group_offsets", group_offsets, rows.size(0) + 1);
  const at::Tensor ends = group_offsets.narrow(0, 1, num_groups);
  const at::Tensor is_empty = ends == group_offsets.narrow(0, 0, num_groups);
  return at::_grouped_mm(aligned(grad).t(), aligned(rows), ends)
      .contiguous()
      .masked_fill_(is_empty.view({-1, 1, 1}), 0);
}

TORCH_LIBRARY_IMPL(moe, CompositeExplicitAutograd, m) {
  m.impl(kGroupedLinear, TORCH_FN(grouped_linear_composite));
  m.impl(kGroupedLinearBackwardWeight, TORCH_FN(grouped_linear_backward_weight));
}

}  // namespace moe::composite
