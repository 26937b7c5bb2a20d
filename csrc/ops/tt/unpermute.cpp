#include <tuple>

#include <torch/library.h>

#include "ops/tt/by_way_of_host.h"
#include "ops/unpermute.h"
#include "tt/backend/fallback/fallback.h"

namespace moe::tt {

namespace {

// Checked before the fallback does, whose words for tensors on different devices are not the operator's.
at::Tensor unpermute(const at::Tensor& expert_outputs, const at::Tensor& routing_weights, const at::Tensor& positions) {
  check_unpermute(expert_outputs, routing_weights, positions);
  return std::get<0>(by_way_of_host<std::tuple<at::Tensor>>(kUnpermute, expert_outputs, routing_weights, positions));
}

}  // namespace

// By way of the host, with the fallback's warning. Named here, as the composite would come before the backend's
// fallback.
TORCH_LIBRARY_IMPL(moe, PrivateUse1, m) {
  m.impl(kUnpermute, TORCH_FN(unpermute));
  m.impl(kUnpermuteBackwardExpertOutputs, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
  m.impl(kUnpermuteBackwardRoutingWeights, torch::CppFunction::makeFromBoxedFunction<&backend::fallback>());
}

}  // namespace moe::tt
