#include "choices.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace fuzz {
namespace {

// Choices, and elements of an output, at most: a call takes some milliseconds.
constexpr uint32_t kMostChoices = 6'000;
constexpr uint64_t kMostElements = 20'000;
// A core has the row of each expert in its L1 where there are local experts, and refuses more.
constexpr uint32_t kMostBesideLocal = 40'000;

Ids draw_ids(Bytes& bytes, uint32_t count, uint32_t num_experts, bool in_range) {
  struct Dtype {
    uint32_t size;
    bool is_signed;
  };
  static constexpr Dtype kDtypes[] = {{2, false}, {4, false}, {4, true}, {8, true}};
  const Dtype dtype = bytes.one_of(kDtypes);
  Ids ids{dtype.size, dtype.is_signed, {}};
  // Behind the end of the bytes, something that they begin.
  std::mt19937 random(bytes.next());
  const uint32_t most = bytes.flag() ? num_experts - 1 : std::min<uint32_t>(num_experts - 1, bytes.next());
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t word = bytes.ended() ? random() : bytes.between(0, num_experts + 15);
    if (word % 16 == 15 && bytes.ended()) {
      ids.bits.push_back(ids.no_expert());
    } else if (word < num_experts || in_range || word == num_experts) {
      const uint64_t id = word == num_experts ? ids.no_expert() : word % (uint64_t{most} + 1);
      // An id that its dtype cannot hold is "no expert".
      ids.bits.push_back(std::min(id, ids.no_expert()));
    } else {
      // Out of range: near the last expert, or far from it.
      const uint64_t id = word % 2 == 0 ? num_experts + uint64_t{word} % 7 : uint64_t{word} * 0x9E3779B97F4A7C15;
      ids.bits.push_back(id & ids.no_expert());
    }
  }
  return ids;
}

// The row of each choice, or -1.
std::vector<int64_t> rows_of(const Choices& choices) {
  std::vector<int64_t> row_of(choices.num_experts, -1);
  for (uint32_t row = 0; row < choices.num_rows(); ++row) {
    const int64_t expert =
        choices.local_experts ? choices.local_experts->expert(row, choices.num_experts) : int64_t{row};
    if (expert >= 0) {
      row_of[expert] = row;
    }
  }
  std::vector<int64_t> rows;
  for (size_t i = 0; i < choices.ids.bits.size(); ++i) {
    const int64_t expert = choices.ids.expert(i, choices.num_experts);
    rows.push_back(expert < 0 ? -1 : row_of[expert]);
  }
  return rows;
}

}  // namespace

int64_t Ids::number(size_t position) const {
  return size == 4 && is_signed ? static_cast<int32_t>(bits[position]) : static_cast<int64_t>(bits[position]);
}

int64_t Ids::expert(size_t position, uint32_t num_experts) const {
  const bool is_expert = bits[position] != no_expert() && bits[position] < num_experts;
  return is_expert ? static_cast<int64_t>(bits[position]) : -1;
}

std::optional<size_t> Ids::first_out_of_range(uint32_t num_experts) const {
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] != no_expert() && bits[i] >= num_experts) {
      return i;
    }
  }
  return std::nullopt;
}

Choices::Choices(Bytes& bytes) {
  static constexpr uint32_t kMostExperts[] = {4, 40, 300, 5000, 70'000};
  const bool has_local_experts = bytes.flag();
  num_experts = bytes.between(1, bytes.one_of(kMostExperts));
  if (has_local_experts) {
    num_experts = std::min(num_experts, kMostBesideLocal);
  }
  top_k = bytes.between(1, std::min<uint32_t>(num_experts, bytes.flag() ? 8 : 40));
  static constexpr uint32_t kMostTokens[] = {4, 40, 300, 3000};
  num_tokens = bytes.between(1, bytes.one_of(kMostTokens));
  weight_size = bytes.flag() ? 4 : 2;
  alignment = bytes.flag() ? bytes.between(1, 140) : 1;
  const bool in_range = bytes.flag();
  if (has_local_experts) {
    local_experts = draw_ids(bytes, bytes.between(1, bytes.flag() ? 8 : 200), num_experts, in_range);
  }
  if (bytes.flag()) {
    max_tokens = bytes.between(1, bytes.flag() ? 20 : 2000);
  }
  // Fewer tokens, and a capacity, where outputs would be large.
  num_tokens = std::clamp<uint32_t>(kMostChoices / top_k, 1, num_tokens);
  num_tokens = static_cast<uint32_t>(std::clamp<uint64_t>(kMostElements / num_rows(), 1, num_tokens));
  const uint64_t widest = std::max<uint64_t>(kMostElements / (num_rows() + 31), 1);
  if (row_width() > widest) {
    max_tokens = static_cast<uint32_t>(widest);
  }
  ids = draw_ids(bytes, num_tokens * top_k, num_experts, in_range);
  std::mt19937 random(bytes.next());
  for (size_t i = 0; i < ids.bits.size(); ++i) {
    weights.push_back(weight_size == 2 ? random() & 0xFFFF : random());
  }
}

Mapping::Mapping(const Choices& choices) : weights(size_t{choices.num_tokens} * choices.num_rows()) {
  const auto rows = rows_of(choices);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= 0) {
      weights[i / choices.top_k * choices.num_rows() + rows[i]] = choices.weights[i];
    }
  }
}

Routing::Routing(const Choices& choices)
    : num_rows((choices.num_rows() + 31) / 32 * 32),
      counts(num_rows),
      tokens(size_t{num_rows} * choices.row_width(), 0xFFFFFFFF),
      weights(tokens.size()) {
  const auto rows = rows_of(choices);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= 0 && counts[rows[i]] < choices.row_width()) {
      const size_t place = rows[i] * choices.row_width() + counts[rows[i]]++;
      tokens[place] = static_cast<uint32_t>(i / choices.top_k);
      weights[place] = choices.weights[i];
    }
  }
}

Grouping::Grouping(const Choices& choices) : sizes(choices.num_rows()), positions(choices.ids.bits.size(), -1) {
  const auto rows = rows_of(choices);
  std::vector<std::vector<uint32_t>> groups(choices.num_rows());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= 0 && groups[rows[i]].size() < choices.row_width()) {
      groups[rows[i]].push_back(static_cast<uint32_t>(i));
    }
  }
  for (size_t group = 0; group < groups.size(); ++group) {
    offsets.push_back(static_cast<uint32_t>(tokens.size()));
    sizes[group] = static_cast<uint32_t>(groups[group].size());
    for (const uint32_t choice : groups[group]) {
      positions[choice] = static_cast<uint32_t>(tokens.size());
      tokens.push_back(choice / choices.top_k);
      weights.push_back(choices.weights[choice]);
    }
    while (tokens.size() % choices.alignment != 0) {
      tokens.push_back(-1);
      weights.push_back(0);
    }
  }
  offsets.push_back(static_cast<uint32_t>(tokens.size()));
  // The contract's N, of shapes alone.
  const uint64_t all = choices.ids.bits.size();
  const uint64_t most = choices.max_tokens ? std::min(all, uint64_t{choices.num_rows()} * *choices.max_tokens) : all;
  const uint64_t padding = std::min<uint64_t>(most, choices.num_rows()) * (choices.alignment - 1);
  const uint64_t num_rows = (most + padding + choices.alignment - 1) / choices.alignment * choices.alignment;
  require(tokens.size() <= num_rows, "the contract's number of rows is enough");
  tokens.resize(num_rows, -1);
  weights.resize(num_rows, 0);
}

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "expected that %s\n", what);
    std::abort();
  }
}

}  // namespace fuzz
