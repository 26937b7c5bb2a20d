#include <tuple>

#include <torch/library.h>

#include "contract/layout.h"
#include "contract/names.h"
#include "ops/arguments.h"
#include "ops/outputs.h"
#include "ops/tt/launchers.h"

namespace moe::tt {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> prepare_routing(
    const at::Tensor& selected_experts, const at::Tensor& routing_weights, int64_t num_experts) {
  check_prepare_routing(selected_experts, routing_weights, num_experts);
  check_num_elements(kPrepareRouting, "routed_tokens", pad_num_experts(num_experts), selected_experts.numel());
  auto outputs = empty_routing(routing_weights, num_experts);
  auto& [counts, tokens, token_weights] = outputs;
  if (selected_experts.numel() == 0) {
    counts.zero_();
    return outputs;
  }
  const auto ids = selected_experts.expect_contiguous();
  const auto weights = routing_weights.expect_contiguous();
  const Choices choices = choices_of(*ids, *weights, num_experts);
  launcher_of(tokens).prepare_routing(
      kPrepareRouting, choices, flat_span(counts), flat_span(tokens), flat_span(token_weights));
  return outputs;
}

}  // namespace

TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kPrepareRouting, TORCH_FN(prepare_routing));
}

}  // namespace moe::tt
