#pragma once

#include <cstdint>

#include "export.h"
#include "tt/kernels/common/args.h"
#include "tt/launch/invalid_id_log.h"
#include "tt/launch/tensor.h"

namespace moe::tt::launch {

// The router's choices on a device, checked and contiguous, or with pages that are rows. There are some: T, K > 0.
struct RouterChoices {
  Tensor ids;
  uint32_t id_size;  // bytes: 2, 4 or 8
  bool ids_signed;
  Tensor weights;
  uint32_t weight_size;  // bytes: 2 or 4
  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
};

// An operator's choices, for the log of invalid ids.
MOE_API CheckedIds checked_ids(const char* op, const RouterChoices& choices);

kernels::ChoicesArgs choices_args(const RouterChoices& choices);

}  // namespace moe::tt::launch
