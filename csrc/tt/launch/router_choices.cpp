#include "tt/launch/router_choices.h"

#include <algorithm>

#include "contract/choices.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

// There may be more experts than ids of a dtype: "no expert" is none of them, and neither is a negative id.
uint32_t id_limit(uint32_t num_experts, uint32_t id_size, bool ids_signed) {
  if (id_size == sizeof(uint16_t)) {
    return std::min<uint32_t>(num_experts, kNoExpert<uint16_t>);
  }
  if (id_size == sizeof(int32_t) && ids_signed) {
    return std::min(num_experts, uint32_t{1} << 31);
  }
  return num_experts;
}

kernels::LocalExpertsArgs local_experts_args(const RouterChoices& choices) {
  if (!choices.local_experts) {
    return {};
  }
  const auto& [ids, id_size, ids_signed, count] = *choices.local_experts;
  return {ids.range, count, id_size, id_limit(choices.num_experts, id_size, ids_signed)};
}

}  // namespace

Checks checks_of(const char* op, const RouterChoices& choices) {
  Checks checks{{op, CheckedIds::kExperts, choices.top_k, choices.id_size, choices.ids_signed}, choices.num_experts};
  if (const auto& local = choices.local_experts) {
    checks.local_experts = {op, CheckedIds::kLocalExperts, 1, local->id_size, local->ids_signed};
  }
  return checks;
}

std::vector<Tensor> tensors_of(const RouterChoices& choices, std::initializer_list<Tensor> others) {
  std::vector<Tensor> tensors(others);
  tensors.insert(tensors.end(), {choices.ids, choices.weights});
  if (choices.local_experts) {
    tensors.push_back(choices.local_experts->ids);
  }
  return tensors;
}

kernels::ChoicesArgs choices_args(const RouterChoices& choices) {
  check_countable(choices.num_tokens, choices.top_k);
  for (const Tensor& tensor : {choices.ids, choices.weights}) {
    if (tensor.range.page_size > kernels::kMaxPageSize) {
      throw runtime::DeviceError(
          str("expected rows of choices of at most ",
              kernels::kMaxPageSize,
              " bytes, got ",
              tensor.range.page_size,
              " bytes for ",
              choices.top_k,
              " choices a token"));
    }
  }
  return {
      choices.ids.range,
      choices.weights.range,
      choices.num_tokens,
      choices.top_k,
      choices.num_experts,
      id_limit(choices.num_experts, choices.id_size, choices.ids_signed),
      local_experts_args(choices)};
}

uint32_t bytes_beside_row_map(const RouterChoices& choices, uint32_t worker_bytes) {
  if (!choices.local_experts) {
    return worker_bytes;
  }
  const uint32_t most = worker_bytes / 2;
  const uint64_t bytes = kernels::row_map_scratch<uint64_t>(choices.num_experts);
  if (bytes > most) {
    throw runtime::DeviceError(
        str("expected at most ",
            (most - kernels::row_map_scratch<uint64_t>(0)) / sizeof(uint32_t),
            " experts beside local_experts, for a core has the row of each in its L1, got ",
            choices.num_experts,
            "; give the experts smaller ids, or call it with CPU tensors"));
  }
  return worker_bytes - static_cast<uint32_t>(bytes);
}

}  // namespace moe::tt::launch
