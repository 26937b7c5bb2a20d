#pragma once

// A call of the operators that libFuzzer thinks of, and what a plain loop makes of it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bytes.h"

namespace fuzz {

// Ids of one tensor, as their bits.
struct Ids {
  uint32_t size;  // bytes of each: 2, 4 or 8
  bool is_signed;
  std::vector<uint64_t> bits;

  uint64_t no_expert() const {
    return size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
  }
  // The number that the dtype makes of an id's bits.
  int64_t number(size_t position) const;
  // The expert at a position, or -1 where there is none.
  int64_t expert(size_t position, uint32_t num_experts) const;
  // The first position that is neither an expert's id nor "no expert".
  std::optional<size_t> first_out_of_range(uint32_t num_experts) const;
};

// There are choices and rows: T, K, L > 0.
struct Choices {
  explicit Choices(Bytes& bytes);

  uint32_t num_rows() const {
    return local_experts ? static_cast<uint32_t>(local_experts->bits.size()) : num_experts;
  }
  // Of the lists: T * K where there is no capacity.
  uint32_t row_width() const {
    return max_tokens.value_or(num_tokens * top_k);
  }
  bool are_in_range() const {
    return !ids.first_out_of_range(num_experts) && !(local_experts && local_experts->first_out_of_range(num_experts));
  }

  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
  Ids ids;
  uint32_t weight_size;  // bytes of each: 2 or 4
  std::vector<uint32_t> weights;
  std::optional<Ids> local_experts;
  std::optional<uint32_t> max_tokens;  // at least 1
  uint32_t alignment;
};

// What the operators are to make of choices that are in range.
struct Mapping {
  explicit Mapping(const Choices& choices);

  std::vector<uint32_t> weights;
};

struct Routing {
  explicit Routing(const Choices& choices);

  uint32_t num_rows;  // with padding
  std::vector<uint32_t> counts;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> weights;
};

struct Grouping {
  explicit Grouping(const Choices& choices);

  std::vector<uint32_t> sizes;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> weights;
  std::vector<uint32_t> positions;
};

// Ends the program, which libFuzzer takes for a find, unless it holds.
void require(bool holds, const char* what);

}  // namespace fuzz
