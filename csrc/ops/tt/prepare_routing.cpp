#include "tt/launch/prepare_routing.h"

#include <torch/library.h>

#include "ops/prepare_routing.h"
#include "ops/tt/launchers.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt {
namespace {

using backend::span_of;
using launch::flat_tensor;

RoutingOutputs prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts);
  const auto layout = RoutingLayout<int64_t>::of(selected_experts.size(0), selected_experts.size(1), num_experts);
  check_num_elements(kPrepareRouting, "routed_tokens", layout.num_rows, layout.row_width);
  RoutingOutputs outputs = empty_routing(routing_weights, num_experts);
  auto& [counts, tokens, token_weights] = outputs;
  if (selected_experts.numel() == 0) {
    counts.zero_();
    return outputs;
  }
  const auto ids = selected_experts.expect_contiguous();
  const auto weights = routing_weights.expect_contiguous();
  launch::prepare_routing(
      launcher_of(tokens),
      router_choices(*ids, *weights, num_experts),
      flat_tensor(span_of(counts)),
      flat_tensor(span_of(tokens)),
      flat_tensor(span_of(token_weights)));
  return outputs;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
}

}  // namespace moe::tt
