#include "tt/launch/router_choices.h"

#include <algorithm>

#include "contract/choices.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

// There may be more experts than ids of a dtype: "no expert" is none of them, and neither is a negative id.
uint32_t id_limit(const RouterChoices& choices) {
  if (choices.id_size == sizeof(uint16_t)) {
    return std::min<uint32_t>(choices.num_experts, kNoExpert<uint16_t>);
  }
  if (choices.id_size == sizeof(int32_t) && choices.ids_signed) {
    return std::min(choices.num_experts, uint32_t{1} << 31);
  }
  return choices.num_experts;
}

}  // namespace

CheckedIds checked_ids(const char* op, const RouterChoices& choices) {
  return {op, CheckedIds::kExperts, choices.top_k, choices.num_experts, choices.id_size, choices.ids_signed};
}

kernels::ChoicesArgs choices_args(const RouterChoices& choices) {
  for (const Tensor& tensor : {choices.ids, choices.weights}) {
    if (tensor.range.row_stride > kernels::kMaxPageSize) {
      throw runtime::DeviceError(
          str("expected rows of choices of at most ",
              kernels::kMaxPageSize,
              " bytes, got ",
              tensor.range.row_stride,
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
      id_limit(choices)};
}

}  // namespace moe::tt::launch
