#pragma once

// Where an expert's choices go, as a call says.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <type_traits>

#include <ATen/core/Tensor.h>

#include "contract/invalid_id.h"
#include "contract/row_map.h"
#include "ops/cpu/choices.h"
#include "ops/cpu/memory.h"

namespace moe::cpu {

struct Free {
  void operator()(void* memory) const {
    std::free(memory);
  }
};

// The table of a LocalRowMap. Zeros come from the system, so that experts of whom nobody speaks cost no memory. A
// repeated id has its last place.
inline std::unique_ptr<uint32_t[], Free> rows_plus_one(
    const char* op, const at::Tensor& local_experts, int64_t num_experts) {
  std::unique_ptr<uint32_t[], Free> table(static_cast<uint32_t*>(std::calloc(num_experts, sizeof(uint32_t))));
  if (table == nullptr) {
    throw NoMemory(num_experts, sizeof(uint32_t));
  }
  const auto ids_tensor = local_experts.expect_contiguous();
  dispatch_ids(*ids_tensor, [&](const auto* ids) {
    for (int64_t row = 0; row < local_experts.size(0); ++row) {
      const auto id = ids[row];
      if (is_expert(id, num_experts)) {
        table[id] = static_cast<uint32_t>(row) + 1;
      } else {
        TORCH_CHECK_INDEX(
            id == kNoExpert<std::remove_const_t<decltype(id)>>,
            local_id_out_of_range_message(op, row, static_cast<int64_t>(id), num_experts));
      }
    }
  });
  return table;
}

// Calls `kernel(row_map)`. Where local_experts are not given the map is the identity, which costs nothing.
template <typename Kernel>
void with_row_map(
    const char* op, const std::optional<at::Tensor>& local_experts, int64_t num_experts, const Kernel& kernel) {
  if (local_experts.has_value()) {
    const auto table = rows_plus_one(op, *local_experts, num_experts);
    kernel(LocalRowMap<const uint32_t*>{table.get()});
  } else {
    kernel(RowMap());
  }
}

}  // namespace moe::cpu
