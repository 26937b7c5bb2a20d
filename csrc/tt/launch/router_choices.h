#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "export.h"
#include "tt/kernels/common/args.h"
#include "tt/launch/invalid_id_log.h"
#include "tt/launch/tensor.h"

namespace moe::tt::launch {

// The experts that a device holds: those of other choices have no row. There are some.
struct LocalExperts {
  Tensor ids;  // contiguous, or one row of a page
  uint32_t id_size;
  bool ids_signed;
  uint32_t count;
};

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
  std::optional<LocalExperts> local_experts = std::nullopt;

  // That choices may go to.
  uint32_t num_rows() const {
    return local_experts ? local_experts->count : num_experts;
  }
  // Those of kernels::Option that the choices bring.
  uint32_t options() const {
    return local_experts ? kernels::kLocalExperts : 0u;
  }
  // The tensors of a launch that numbers so many.
  uint32_t num_tensors(uint32_t numbers) const {
    return local_experts ? numbers : numbers - 1;
  }
};

// What an operator checks of its choices.
MOE_API Checks checks_of(const char* op, const RouterChoices& choices);

// Tensors of a call: the choices, and others.
std::vector<Tensor> tensors_of(const RouterChoices& choices, std::initializer_list<Tensor> others);

kernels::ChoicesArgs choices_args(const RouterChoices& choices);

// What a worker's L1 has left beside the map from experts to rows. Throws DeviceError if that is less than half of it.
uint32_t bytes_beside_row_map(const RouterChoices& choices, uint32_t worker_bytes);

}  // namespace moe::tt::launch
