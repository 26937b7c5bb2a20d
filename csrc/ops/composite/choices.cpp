#include "ops/composite/choices.h"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>

#include "contract/choices.h"

namespace moe::composite {
namespace {

// int64 ids in which "no expert" is -1.
at::Tensor signed_ids(const at::Tensor& ids) {
  const at::Tensor wide = ids.to(at::kLong);
  if (at::isSignedType(ids.scalar_type())) {
    return wide;
  }
  return wide.masked_fill(
      wide == int64_t{ids.element_size() == sizeof(uint16_t) ? kNoExpert<uint16_t> : kNoExpert<uint32_t>}, -1);
}

}  // namespace

void assert_indices(const char* op, const char* name, const at::Tensor& indices, int64_t size) {
  at::_assert_async(
      (indices >= -1).logical_and_(indices < size).all(),
      std::string(op) + ": expected " + name + " in [0, " + std::to_string(size) + ") or -1 (none)");
}

at::Tensor rows_of_choices(
    const char* op,
    const at::Tensor& selected_experts,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  const at::Tensor ids = signed_ids(selected_experts);
  assert_indices(op, "selected_experts", ids, num_experts);
  const at::Tensor known = ids.masked_fill(ids == -1, num_experts);
  if (!local_experts.has_value()) {
    return known;
  }
  const at::Tensor locals = signed_ids(*local_experts);
  assert_indices(op, "local_experts", locals, num_experts);
  const int64_t num_rows = locals.size(0);
  // The last place of a repeated id is the largest. What is no expert goes to an element of its own.
  at::Tensor table = at::full({num_experts + 1}, -1, locals.options());
  table.scatter_reduce_(
      0, locals.masked_fill(locals == -1, num_experts), at::arange(num_rows, locals.options()), "amax");
  table.narrow(0, num_experts, 1).fill_(-1);
  return table.masked_fill(table == -1, num_rows).index_select(0, known.flatten()).view(ids.sizes());
}

SortedChoices sort_choices(const at::Tensor& rows, int64_t num_rows) {
  const at::Tensor flat = rows.flatten();
  const auto [sorted, order] = flat.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const at::Tensor counts = at::zeros({num_rows + 1}, flat.options()).scatter_add_(0, flat, at::ones_like(flat));
  const at::Tensor starts = counts.cumsum(0) - counts;
  const at::Tensor places = at::arange(flat.size(0), flat.options()) - starts.index_select(0, sorted);
  return {sorted, order, places, counts.narrow(0, 0, num_rows)};
}

at::Tensor tokens_of(const SortedChoices& sorted, int64_t top_k) {
  return sorted.order.div(std::max<int64_t>(1, top_k), "floor").to(at::kInt);
}

at::Tensor unsorted(const SortedChoices& sorted, const at::Tensor& values, at::IntArrayRef shape) {
  return at::empty_like(values).scatter_(0, sorted.order, values).view(shape);
}

at::ScalarType accumulator_of(const at::Tensor& rows) {
  return rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

at::Tensor scattered(const at::Tensor& targets, const at::Tensor& values, int64_t size, int64_t fill) {
  return at::full({size + 1}, fill, values.options()).scatter_(0, targets, values).narrow(0, 0, size).clone();
}

}  // namespace moe::composite
