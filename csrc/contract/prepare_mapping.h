#pragma once

namespace moe {

// The operator's qualified name and its derivative's, for their registrations and their errors.
inline constexpr const char* kPrepareMapping = "moe::prepare_mapping";
inline constexpr const char* kPrepareMappingBackward = "moe::prepare_mapping_backward";

// The shape of the dense map: a row for every token, a column for every expert. `Int` may be symbolic.
template <typename Int>
struct MappingLayout {
  Int num_tokens;
  Int num_columns;

  static constexpr MappingLayout of(const Int& num_tokens, const Int& num_experts) {
    return {num_tokens, num_experts};
  }
};

}  // namespace moe
