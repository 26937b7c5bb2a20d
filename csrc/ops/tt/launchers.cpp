#include "ops/tt/launchers.h"

#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "ops/tt/thread_launcher.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/device_span.h"
#include "tt/launch/prepare_mapping.h"

namespace moe::tt {
namespace {

// Kernels number the elements of whole pages, and the last page may go on after the output. An element is a byte or
// more.
constexpr int64_t kMaxPageElements = kernels::kMaxPageSize;

}  // namespace

launch::Launcher& launcher_of(const at::Tensor& tensor) {
  return thread_launcher(backend::open_device(tensor.device().index()));
}

launch::Tensor flat_tensor(const at::Tensor& tensor) {
  return launch::flat_tensor(backend::span_of(tensor));
}

RouterInputs::RouterInputs(
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts)
    : choices_{
          .ids = flat(selected_experts),
          .id_size = static_cast<uint32_t>(selected_experts.element_size()),
          .ids_signed = at::isSignedType(selected_experts.scalar_type()),
          .weights = flat(routing_weights),
          .weight_size = static_cast<uint32_t>(routing_weights.element_size()),
          .num_tokens = static_cast<uint32_t>(selected_experts.size(0)),
          .top_k = static_cast<uint32_t>(selected_experts.size(1)),
          .num_experts = static_cast<uint32_t>(num_experts)} {
  if (local_experts.has_value()) {
    choices_.local_experts = launch::LocalExperts{
        .ids = flat(*local_experts),
        .id_size = static_cast<uint32_t>(local_experts->element_size()),
        .ids_signed = at::isSignedType(local_experts->scalar_type()),
        .count = static_cast<uint32_t>(local_experts->size(0))};
  }
}

launch::Tensor RouterInputs::flat(const at::Tensor& tensor) {
  tensors_.push_back(tensor.contiguous());
  return flat_tensor(tensors_.back());
}

bool has_no_places(
    const at::Tensor& selected_experts,
    const std::optional<at::Tensor>& local_experts,
    std::optional<int64_t> max_tokens) {
  return selected_experts.numel() == 0 || max_tokens == 0 || (local_experts.has_value() && local_experts->numel() == 0);
}

// They go into a map that nobody reads. "No expert" stands in for what there is none of.
void check_ids(
    const char* op,
    const at::Tensor& selected_experts,
    const at::Tensor& routing_weights,
    int64_t num_experts,
    const std::optional<at::Tensor>& local_experts) {
  const bool has_choices = selected_experts.numel() > 0;
  const bool has_local_experts = local_experts.has_value() && local_experts->numel() > 0;
  if (!has_choices && !has_local_experts) {
    return;
  }
  const auto no_expert = [&](at::IntArrayRef shape) {
    return at::full(shape, -1, routing_weights.options().dtype(at::kInt));
  };
  const at::Tensor ids = has_choices ? selected_experts : no_expert({1, 1});
  const at::Tensor weights = has_choices ? routing_weights : at::zeros({1, 1}, routing_weights.options());
  const at::Tensor local = has_local_experts ? *local_experts : no_expert({1});
  check_num_elements(op, "a map of the ids", ids.size(0), local.size(0));
  const at::Tensor map = at::empty({ids.size(0), local.size(0)}, weights.options());

  const RouterInputs inputs(ids, weights, num_experts, local);
  const launch::RouterChoices& choices = inputs.choices();
  const launch::Tensor mapping = flat_tensor(map);
  launch::Launcher& launcher = launcher_of(map);
  launcher.call(
      launch::checks_of(op, choices),
      launch::tensors_of(choices, {mapping}),
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return launch::plan_prepare_mapping(launcher.target, choices, invalid_ids, mapping);
      });
}

void check_num_elements(const char* op, const char* output, int64_t rows, int64_t columns) {
  TORCH_CHECK(
      rows * columns <= std::numeric_limits<uint32_t>::max() - kMaxPageElements,
      op,
      ": expected fewer than 2^32 - ",
      kMaxPageElements,
      " elements of ",
      output,
      " on a tt device, got shape [",
      rows,
      ", ",
      columns,
      "]; route the tokens in several calls");
}

}  // namespace moe::tt
