// The operators' kernels, launched as the extension launches them, against a plain loop.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "contract/prepare_grouping.h"
#include "contract/prepare_mapping.h"
#include "contract/prepare_routing.h"
#include "device.h"
#include "testing.h"
#include "tt/launch/permute.h"
#include "tt/launch/prepare_grouping.h"
#include "tt/launch/prepare_mapping.h"
#include "tt/launch/prepare_routing.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

using namespace moe;
using namespace moe::tt;
using namespace moe::tt::kernels;
using namespace moe::tt::launch;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

// How tensors are in memory.
struct Paging {
  uint32_t page_size = 256;
  uint32_t offset = 0;  // bytes of the buffers before the inputs
  PageKind pages = kFlatPages;
};

struct Case {
  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
  uint32_t id_size = 4;
  uint32_t weight_size = 2;
  uint32_t page_size = 256;
  uint32_t offset = 0;  // bytes of the buffers before the ids and the weights
  PageKind pages = kFlatPages;
  std::optional<uint32_t> max_tokens = std::nullopt;
  uint32_t num_local = 0;  // local experts; 0 where they are not given
  uint32_t local_id_size = 4;

  operator Paging() const {
    return {page_size, offset, pages};
  }
  uint32_t num_rows() const {
    return num_local == 0 ? num_experts : num_local;
  }
  // T * K where no row has a capacity of its own.
  uint32_t row_width() const {
    return max_tokens.value_or(num_tokens * top_k);
  }
};

const Case kCases[] = {
    {1, 1, 1},
    {32, 4, 16},
    {32, 8, 128},
    {33, 3, 17, 8, 4, 64},
    {100, 7, 37, 2, 2, 128, 70},
    {257, 8, 128, 4, 4, 1024, 4},
    {64, 16, 896, 4, 2, 4096, 132},
    {3, 1, 600000, 4, 2, 64},          // more rows than one launch takes
    {50000, 2, 20, 4, 4, 4096, 4096},  // more choices than fit into L1
    {.num_tokens = 33, .top_k = 3, .num_experts = 17, .max_tokens = 1},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 8, .weight_size = 4, .max_tokens = 15},
    {.num_tokens = 100, .top_k = 2, .num_experts = 5, .max_tokens = 1000},
    {.num_tokens = 50000, .top_k = 2, .num_experts = 20, .max_tokens = 4300},
    {.num_tokens = 33, .top_k = 3, .num_experts = 17, .num_local = 1},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 8, .weight_size = 4, .num_local = 16},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 2, .num_local = 40, .local_id_size = 8},
    {.num_tokens = 100, .top_k = 2, .num_experts = 5, .offset = 68, .num_local = 7, .local_id_size = 2},
    {.num_tokens = 1000, .top_k = 2, .num_experts = 20000, .max_tokens = 1, .num_local = 5000, .local_id_size = 8},
    {.num_tokens = 50000, .top_k = 2, .num_experts = 20, .max_tokens = 4300, .num_local = 5},
};

// The same with a page for each row.
const Case kRowCases[] = {
    {.num_tokens = 1, .top_k = 1, .num_experts = 1, .pages = kRowPages},
    {.num_tokens = 32, .top_k = 4, .num_experts = 16, .pages = kRowPages},
    {.num_tokens = 33, .top_k = 3, .num_experts = 17, .id_size = 8, .weight_size = 4, .pages = kRowPages},
    {.num_tokens = 100, .top_k = 7, .num_experts = 37, .id_size = 2, .weight_size = 2, .pages = kRowPages},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 4, .weight_size = 4, .pages = kRowPages},
    {.num_tokens = 64, .top_k = 16, .num_experts = 896, .pages = kRowPages},
    {.num_tokens = 2, .top_k = 600, .num_experts = 3000, .weight_size = 4, .pages = kRowPages},  // rows of many packets
    {.num_tokens = 3, .top_k = 1, .num_experts = 150000, .pages = kRowPages},  // a row fills more than a batch
    {.num_tokens = 20000, .top_k = 3, .num_experts = 20, .pages = kRowPages},  // more choices than fit into a stage
    // Rows of the map that follow each other in a bank, and are more than a transfer moves.
    {.num_tokens = 4000, .top_k = 1, .num_experts = 288, .pages = kRowPages},
    {.num_tokens = 600, .top_k = 1, .num_experts = 2400, .weight_size = 4, .pages = kRowPages},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 8, .pages = kRowPages, .max_tokens = 15},
    {.num_tokens = 20000, .top_k = 3, .num_experts = 20, .pages = kRowPages, .max_tokens = 2900},
    {.num_tokens = 257, .top_k = 8, .num_experts = 128, .id_size = 2, .pages = kRowPages, .num_local = 40},
    {.num_tokens = 1000,
     .top_k = 2,
     .num_experts = 20000,
     .pages = kRowPages,
     .max_tokens = 1,
     .num_local = 5000,
     .local_id_size = 8},
};

// The local experts of a case: every third id, round and round, so that some may come again. The second is "no expert".
std::vector<int64_t> local_ids(const Case& c) {
  std::vector<int64_t> ids(c.num_local);
  for (uint32_t row = 0; row < c.num_local; ++row) {
    ids[row] = row == 1 ? int64_t{-1} : (row * 3 + 2) % c.num_experts;
  }
  return ids;
}

// The row of each expert, or -1.
std::vector<int64_t> rows_of(const Case& c) {
  std::vector<int64_t> rows(c.num_experts, -1);
  const std::vector<int64_t> local = local_ids(c);
  for (uint32_t row = 0; row < c.num_rows(); ++row) {
    if (c.num_local == 0) {
      rows[row] = row;
    } else if (local[row] >= 0) {
      rows[local[row]] = row;
    }
  }
  return rows;
}

// Choices and what comes of them, in the words of the reference. One in eight routes nowhere.
struct Expected {
  explicit Expected(const Case& c)
      : ids(c.num_tokens * c.top_k),
        places(ids.size(), -1),
        weights(ids.size()),
        rows(RoutingLayout<uint32_t>::of_width(c.num_rows(), c.row_width()).num_rows) {
    std::mt19937 random(7);
    const size_t width = c.row_width();
    const std::vector<int64_t> row_of = rows_of(c);
    mapping.assign(size_t{c.num_tokens} * c.num_rows(), 0);
    counts.assign(rows, 0);
    tokens.assign(rows * width, kPaddingToken);
    token_weights.assign(rows * width, 0);
    for (size_t i = 0; i < ids.size(); ++i) {
      const uint32_t id = random() % c.num_experts;
      weights[i] = c.weight_size == 2 ? random() & 0xFFFF : random();
      if (random() % 8 == 0) {
        ids[i] = -1;
        continue;
      }
      ids[i] = id;
      const int64_t row = row_of[id];
      places[i] = row;
      if (row < 0) {
        continue;
      }
      mapping[i / c.top_k * c.num_rows() + row] = weights[i];
      if (counts[row] < width) {
        const size_t place = row * width + counts[row]++;
        tokens[place] = i / c.top_k;
        token_weights[place] = weights[i];
      }
    }
  }

  std::vector<int64_t> ids;
  std::vector<int64_t> places;  // the row of each, or -1
  std::vector<uint32_t> weights;
  size_t rows;
  std::vector<uint32_t> mapping;
  std::vector<uint32_t> counts;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> token_weights;
};

constexpr uint32_t kAlignments[] = {1, 3, 32};

// What comes of the same choices in a grouping.
struct ExpectedGrouping {
  ExpectedGrouping(const Case& c, const Expected& choices, uint32_t alignment)
      : sizes(choices.counts.begin(), choices.counts.begin() + c.num_rows()),
        offsets(c.num_rows() + 1),
        tokens(GroupingLayout<uint64_t>::of(choices.ids.size(), c.num_rows(), alignment, c.row_width()).num_rows, -1),
        weights(tokens.size(), 0),
        positions(choices.ids.size(), -1) {
    for (uint32_t group = 0; group < c.num_rows(); ++group) {
      offsets[group + 1] = offsets[group] + (sizes[group] + alignment - 1) / alignment * alignment;
    }
    std::vector<uint32_t> next = offsets;
    for (size_t i = 0; i < choices.ids.size(); ++i) {
      const int64_t group = choices.places[i];
      if (group >= 0 && next[group] < offsets[group] + sizes[group]) {
        positions[i] = next[group]++;
        tokens[positions[i]] = i / c.top_k;
        weights[positions[i]] = choices.weights[i];
      }
    }
  }

  std::vector<uint32_t> sizes;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> weights;
  std::vector<uint32_t> positions;
};

template <typename Number>
std::vector<std::byte> pack(const std::vector<Number>& numbers, uint32_t bytes, uint32_t offset = 0) {
  std::vector<std::byte> packed(offset + numbers.size() * bytes);
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::memcpy(&packed[offset + i * bytes], &numbers[i], bytes);
  }
  return packed;
}

// A tensor of rows of so many elements. Where pages are rows, each has its padding in what `read` and `write` see.
struct Matrix {
  uint32_t width;
  uint32_t element_size;
  Paging paging;

  uint32_t row_size() const {
    return width * element_size;
  }
  uint32_t page_size(const Device& device) const {
    return paging.pages == kFlatPages
               ? paging.page_size
               : static_cast<uint32_t>(moe::tt::round_up(row_size(), device.properties().dram_alignment));
  }
  std::shared_ptr<Buffer> allocate(Device& device, size_t bytes) const {
    if (paging.pages == kFlatPages) {
      return device.allocate(bytes, page_size(device));
    }
    return device.allocate(bytes / row_size() * page_size(device), page_size(device));
  }
  launch::Tensor tensor(const std::shared_ptr<Buffer>& buffer, uint64_t offset = 0) const {
    return paging.pages == kFlatPages ? flat_tensor({buffer, offset}) : row_tensor(buffer, row_size());
  }
};

launch::Tensor upload(Device& device, const std::vector<std::byte>& bytes, const Matrix& matrix) {
  const auto buffer = matrix.allocate(device, bytes.size());
  if (matrix.paging.pages == kFlatPages) {
    device.write(buffer, 0, bytes);
  } else {
    std::vector<std::byte> padded(buffer->size(), std::byte{0x5A});
    for (size_t row = 0; row * matrix.row_size() < bytes.size(); ++row) {
      std::memcpy(&padded[row * buffer->page_size()], &bytes[row * matrix.row_size()], matrix.row_size());
    }
    device.write(buffer, 0, padded);
  }
  return matrix.tensor(buffer, matrix.paging.offset);
}

// New memory for so many elements, which holds something else before the kernels write it.
launch::Tensor output(Device& device, size_t count, const Matrix& matrix) {
  const auto buffer = matrix.allocate(device, count * matrix.element_size);
  device.write(buffer, 0, std::vector<std::byte>(buffer->size(), std::byte{0x5A}));
  return matrix.tensor(buffer);
}

// Whether it holds the numbers, and its padding what it held before.
bool holds(Device& device, const launch::Tensor& tensor, const std::vector<uint32_t>& numbers, const Matrix& matrix) {
  std::vector<std::byte> expected = pack(numbers, matrix.element_size);
  std::vector<std::byte> read(matrix.paging.pages == kFlatPages ? expected.size() : tensor.buffer->size());
  device.read(tensor.buffer, 0, read);
  if (matrix.paging.pages == kRowPages) {
    std::vector<std::byte> padded(read.size(), std::byte{0x5A});
    for (size_t row = 0; row * matrix.row_size() < expected.size(); ++row) {
      std::memcpy(&padded[row * tensor.buffer->page_size()], &expected[row * matrix.row_size()], matrix.row_size());
    }
    expected = padded;
  }
  return read == expected;
}

RouterChoices upload_choices(
    Device& device, const Case& c, const Expected& expected, const std::vector<int64_t>& local) {
  RouterChoices choices{
      .ids = upload(device, pack(expected.ids, c.id_size, c.offset), {c.top_k, c.id_size, c}),
      .id_size = c.id_size,
      .ids_signed = true,
      .weights = upload(device, pack(expected.weights, c.weight_size, c.offset), {c.top_k, c.weight_size, c}),
      .weight_size = c.weight_size,
      .num_tokens = c.num_tokens,
      .top_k = c.top_k,
      .num_experts = c.num_experts};
  if (c.num_local > 0) {
    choices.local_experts = LocalExperts{
        .ids = upload(device, pack(local, c.local_id_size, c.offset), {c.num_local, c.local_id_size, c}),
        .id_size = c.local_id_size,
        .ids_signed = true,
        .count = c.num_local};
  }
  return choices;
}

RouterChoices upload_choices(Device& device, const Case& c, const Expected& expected) {
  return upload_choices(device, c, expected, local_ids(c));
}

void group(Device& device, Launcher& launcher, const Case& c, uint32_t alignment) {
  const Expected choices(c);
  const ExpectedGrouping expected(c, choices, alignment);
  const auto list = [&](const std::vector<uint32_t>& numbers, uint32_t element_size) {
    return Matrix{static_cast<uint32_t>(numbers.size()), element_size, c};
  };
  const Matrix positions{c.top_k, 4, c};
  const GroupingOutputs outputs{
      .sizes = output(device, expected.sizes.size(), list(expected.sizes, 4)),
      .offsets = output(device, expected.offsets.size(), list(expected.offsets, 4)),
      .tokens = output(device, expected.tokens.size(), list(expected.tokens, 4)),
      .weights = output(device, expected.weights.size(), list(expected.weights, c.weight_size)),
      .positions = output(device, expected.positions.size(), positions)};
  prepare_grouping(launcher, upload_choices(device, c, choices), {alignment, c.max_tokens}, outputs);
  CHECK(holds(device, outputs.sizes, expected.sizes, list(expected.sizes, 4)));
  CHECK(holds(device, outputs.offsets, expected.offsets, list(expected.offsets, 4)));
  CHECK(holds(device, outputs.tokens, expected.tokens, list(expected.tokens, 4)));
  CHECK(holds(device, outputs.weights, expected.weights, list(expected.weights, c.weight_size)));
  CHECK(holds(device, outputs.positions, expected.positions, positions));
  CHECK(!launcher.invalid_ids.take().has_value());
}

void map(Device& device, Launcher& launcher, const Case& c) {
  const Expected expected(c);
  const Matrix matrix{c.num_rows(), c.weight_size, c};
  const launch::Tensor mapping = output(device, expected.mapping.size(), matrix);
  prepare_mapping(launcher, upload_choices(device, c, expected), mapping);
  CHECK(holds(device, mapping, expected.mapping, matrix));
  CHECK(!launcher.invalid_ids.take().has_value());
}

void list(Device& device, Launcher& launcher, const Case& c) {
  const Expected expected(c);
  const RouterChoices choices = upload_choices(device, c, expected);
  const uint32_t width = c.row_width();
  const Matrix counts_row{static_cast<uint32_t>(expected.rows), 4, c};
  const Matrix tokens_list{width, 4, c};
  const Matrix weights_list{width, c.weight_size, c};
  const launch::Tensor counts = output(device, expected.rows, counts_row);
  const launch::Tensor tokens = output(device, expected.tokens.size(), tokens_list);
  const launch::Tensor weights = output(device, expected.tokens.size(), weights_list);
  prepare_routing(launcher, choices, counts, tokens, weights, c.max_tokens);
  CHECK(holds(device, counts, expected.counts, counts_row));
  CHECK(holds(device, tokens, expected.tokens, tokens_list));
  CHECK(holds(device, weights, expected.token_weights, weights_list));
  CHECK(!launcher.invalid_ids.take().has_value());
}

Launcher make_launcher(Device& device) {
  return {std::make_shared<ProgramCache>(device), {device.allocate(InvalidIds::num_bytes(device.properties()), 128)}};
}

// Rows of elements of two bytes. One row in four of the output has no token.
struct Rows {
  uint32_t num_tokens;
  uint32_t num_rows;
  uint32_t width;
  Paging paging = {};
  std::vector<int32_t> tokens = {};  // random if there are none
};

void permute_rows(Device& device, Launcher& launcher, const Rows& rows) {
  std::mt19937 random(7);
  std::vector<uint32_t> numbers(size_t{rows.num_tokens} * rows.width);
  std::ranges::generate(numbers, [&] { return random() & 0xFFFF; });
  std::vector<int32_t> tokens = rows.tokens;
  while (tokens.size() < rows.num_rows) {
    tokens.push_back(random() % 4 == 0 || rows.num_tokens == 0 ? -1 : static_cast<int32_t>(random() % rows.num_tokens));
  }
  std::vector<uint32_t> expected(size_t{rows.num_rows} * rows.width);
  for (size_t row = 0; row < tokens.size(); ++row) {
    if (tokens[row] >= 0 && static_cast<uint32_t>(tokens[row]) < rows.num_tokens) {
      std::copy_n(&numbers[size_t(tokens[row]) * rows.width], rows.width, &expected[row * rows.width]);
    }
  }
  const Matrix matrix{rows.width, 2, rows.paging};
  const Matrix list{rows.num_rows, 4, rows.paging};
  const launch::Tensor permuted = output(device, expected.size(), matrix);
  permute(
      launcher,
      {.hidden = rows.num_tokens == 0 ? permuted : upload(device, pack(numbers, 2, rows.paging.offset), matrix),
       .grouped_tokens = upload(device, pack(tokens, 4, rows.paging.offset), list),
       .num_tokens = rows.num_tokens,
       .num_rows = rows.num_rows,
       .row_size = matrix.row_size()},
      permuted);
  CHECK(holds(device, permuted, expected, matrix));
}

const Rows kRows[] = {
    {1, 1, 1},
    {0, 7, 5},
    {33, 100, 5},
    {33, 200, 5, {.page_size = 64, .offset = 4}},
    {33, 200, 64, {.page_size = 64}},
    {300, 2000, 257, {.page_size = 1024, .offset = 68}},
    {300, 2000, 72, {.page_size = 2048, .offset = 16}},  // places that agree modulo 16, but not modulo 64
    {1, 8, 7168, {.page_size = 4096}},
    {1000, 900, 2048, {.page_size = 4096, .offset = 4096}},
    {40000, 50000, 3, {.page_size = 4096}},  // more rows than a slice
    {3, 8, 400001, {.page_size = 4096}},     // rows of more parts than there are workers
    {5, 3, 64, {}, {-1, -1, -1}},
    {33, 100, 5, {.pages = kRowPages}},
    {33, 100, 72, {.pages = kRowPages}},
    {32, 256, 2048, {.pages = kRowPages}},
    {3, 8, 5001, {.pages = kRowPages}},  // rows of many packets
    {3, 8, 400001, {.pages = kRowPages}},
    {4000, 10000, 3, {.pages = kRowPages}},
    {5, 3, 64, {.pages = kRowPages}, {-1, -1, -1}},
};

void permute_all(Device& device) {
  Launcher launcher = make_launcher(device);
  for (const Rows& rows : kRows) {
    permute_rows(device, launcher, rows);
    CHECK(!launcher.invalid_ids.take().has_value());
  }
}

void route(Device& device, Launcher& launcher, const Case& c) {
  map(device, launcher, c);
  list(device, launcher, c);
  if (c.num_rows() <= max_groups(launcher.target)) {
    for (const uint32_t alignment : kAlignments) {
      group(device, launcher, c, alignment);
    }
  }
}

void route_all(std::unique_ptr<Device> device) {
  Launcher launcher = make_launcher(*device);
  for (const Case& c : kCases) {
    route(*device, launcher, c);
  }
}

void route_rows(std::unique_ptr<Device> device) {
  Launcher launcher = make_launcher(*device);
  for (const Case& c : kRowCases) {
    route(*device, launcher, c);
  }
  // More rows of the lists than one launch takes.
  list(*device, launcher, {.num_tokens = 3, .top_k = 1, .num_experts = 600000, .pages = kRowPages});
}

}  // namespace

TEST(operators_on_wormhole) {
  route_all(open_wormhole());
}

TEST(operators_on_blackhole) {
  route_all(open_blackhole());
}

// Choices that come in several slices, rows that several launches write, as many groups as have room.
TEST(a_grouping_on_one_core) {
  Environment grid("TORCH_TT_GRID", "1x1");
  auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const uint32_t most = max_groups(launcher.target);
  CHECK(most > 10000);
  for (const PageKind pages : {kFlatPages, kRowPages}) {
    for (const Case& c : {Case{50000, 2, 20}, Case{300, 2, most, 8, 4}, Case{5000, 3, 20}, Case{9000, 1, 3000}}) {
      Case paged = c;
      paged.pages = pages;
      group(*device, launcher, paged, 3);
    }
  }
}

// Choices that come in several rounds, of few experts and of many.
TEST(a_routing_on_one_core) {
  Environment grid("TORCH_TT_GRID", "1x1");
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  for (const PageKind pages : {kFlatPages, kRowPages}) {
    for (const Case& c : {Case{100000, 1, 20, 8}, Case{50, 3, 200}}) {
      Case paged = c;
      paged.pages = pages;
      list(*device, launcher, paged);
      paged.max_tokens = 100;
      list(*device, launcher, paged);
    }
  }
}

// More choices than a core looks through by itself, and more rows than L1 has counts for.
TEST(a_routing_of_many_choices_in_several_launches) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  for (const PageKind pages : {kFlatPages, kRowPages}) {
    const uint64_t before = device->num_launches();
    list(*device, launcher, {.num_tokens = 3000, .top_k = 20, .num_experts = 4000, .pages = pages, .max_tokens = 3});
    CHECK(device->num_launches() - before > 1);
  }
}

TEST(operators_on_rows_on_wormhole) {
  route_rows(open_wormhole());
}

TEST(operators_on_rows_on_blackhole) {
  route_rows(open_blackhole());
}

TEST(rows_on_wormhole) {
  permute_all(*open_wormhole());
}

TEST(rows_on_blackhole) {
  permute_all(*open_blackhole());
}

// Blocks of tokens that a worker takes in turn: it remembers where later ones go, unless they are too many; those of
// another part of the rows are met anew.
TEST(rows_on_one_core) {
  Environment grid("TORCH_TT_GRID", "1x1");
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  for (const PageKind pages : {kFlatPages, kRowPages}) {
    const Paging paging{.page_size = 4096, .pages = pages};
    permute_rows(*device, launcher, {1500, 4000, 2049, paging});
    permute_rows(*device, launcher, {3000, 32000, 600, paging});
    permute_rows(*device, launcher, {7, 20, 400001, paging});
  }
}

TEST(blocks_do_not_read_all_tokens_again) {
  Environment grid("TORCH_TT_GRID", "1x1");
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  constexpr uint64_t kTokens = 2000;
  constexpr uint64_t kNumRows = 7000;
  constexpr uint64_t kWidth = 2048;
  permute_rows(*device, launcher, {kTokens, kNumRows, kWidth, {.page_size = 4096}});
  device->synchronize();
  // Once for each worker, and once together.
  CHECK_EQ(device->dram_traffic().value().read, kTokens * kWidth * 2 + 3 * kNumRows * 4);
}

TEST(a_token_is_read_once) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  constexpr uint64_t kTokens = 1000;
  constexpr uint64_t kNumRows = 8 * kTokens;
  constexpr uint64_t kWidth = 2048;
  permute_rows(*device, launcher, {kTokens, kNumRows, kWidth, {.page_size = 4096}});
  device->synchronize();
  const DramTraffic traffic = device->dram_traffic().value();
  CHECK_EQ(traffic.written, kNumRows * kWidth * 2);
  const uint64_t bytes = (kTokens + kNumRows) * kWidth * 2 + kNumRows * 4;
  CHECK((traffic.read + traffic.written) * 10 <= bytes * 11);
}

TEST(the_first_token_out_of_range_is_reported) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  for (const PageKind pages : {kFlatPages, kRowPages}) {
    Rows rows{100, 1000, 5, {.pages = pages}, std::vector<int32_t>(1000, 99)};
    permute_rows(*device, launcher, rows);
    CHECK(!launcher.invalid_ids.take().has_value());
    rows.tokens[999] = 100;
    rows.tokens[432] = -7;
    rows.tokens[433] = std::numeric_limits<int32_t>::max();
    permute_rows(*device, launcher, rows);
    const auto invalid = launcher.invalid_ids.take();
    CHECK(invalid.has_value());
    CHECK_EQ(
        invalid->message(),
        std::string("moe::permute: expected grouped_tokens in [0, 100) or -1, got -7 at grouped_tokens[432]"));
  }
}

TEST(a_page_is_a_packet) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const Case c{.num_tokens = 32, .top_k = 4, .num_experts = 16, .page_size = 8192};
  CHECK_THROWS(
      DeviceError,
      route(*device, launcher, c),
      "expected a buffer with pages of a power of two of at most 4096 bytes, got 8192");
}

void check_invalid_ids(const Case& c) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const auto map_with = [&](std::initializer_list<std::pair<size_t, int64_t>> changes) {
    Expected choices(c);
    for (const auto& [position, id] : changes) {
      choices.ids[position] = id;
    }
    prepare_mapping(
        launcher,
        upload_choices(*device, c, choices),
        output(*device, c.num_tokens * c.num_experts, {c.num_experts, 2, c}));
  };
  map_with({});
  CHECK(!launcher.invalid_ids.take().has_value());

  map_with({});
  map_with({{1999, 16}, {300, -7}, {301, 99}});
  map_with({{2, int64_t{1} << 40}});
  const auto invalid = launcher.invalid_ids.take();
  CHECK(invalid.has_value());
  CHECK_EQ(invalid->position, 300);
  CHECK_EQ(invalid->id, -7);
  CHECK_EQ(invalid->checked.num_columns, 4u);
  CHECK_EQ(invalid->limit, 16);
  CHECK_EQ(std::string(invalid->checked.op), kPrepareMapping);
  CHECK(invalid->more_calls);
  CHECK(!launcher.invalid_ids.take().has_value());

  map_with({{2, int64_t{1} << 40}});
  const auto next = launcher.invalid_ids.take();
  CHECK(next.has_value());
  CHECK_EQ(next->id, int64_t{1} << 40);
  CHECK(!next->more_calls);
}

void check_invalid_local_ids(const Case& c) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  Expected choices(c);
  const auto map_with = [&](const std::vector<int64_t>& local) {
    prepare_mapping(
        launcher,
        upload_choices(*device, c, choices, local),
        output(*device, choices.mapping.size(), {c.num_rows(), c.weight_size, c}));
  };
  map_with({1, -1, 2});
  CHECK(!launcher.invalid_ids.take().has_value());

  // They come before the choices of the same call, wherever those are.
  choices.ids[0] = 77;
  map_with({1, -5, 16});
  auto invalid = launcher.invalid_ids.take();
  CHECK(invalid.has_value());
  CHECK_EQ(
      invalid->message(),
      "moe::prepare_mapping: expected expert ids in [0, 16) or the \"no expert\" id (all bits set), got -5 at "
      "local_experts[1] with num_experts = 16");

  // A choice's is an error although no expert of its is local.
  map_with({1, -1, 2});
  invalid = launcher.invalid_ids.take();
  CHECK(invalid.has_value());
  CHECK_EQ(invalid->id, 77);
  CHECK(invalid->checked.kind == CheckedIds::kExperts);
}

TEST(ids_of_local_experts_out_of_range_are_reported) {
  for (const uint32_t id_size : {2, 4, 8}) {
    for (const PageKind pages : {kFlatPages, kRowPages}) {
      const uint32_t local_id_size = id_size == 2 ? 8 : 4;
      check_invalid_local_ids(
          {.num_tokens = 500,
           .top_k = 4,
           .num_experts = 16,
           .id_size = id_size,
           .pages = pages,
           .num_local = 3,
           .local_id_size = local_id_size});
    }
  }
}

TEST(the_rows_of_local_experts_fit_into_l1) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const Case c{.num_tokens = 3, .top_k = 1, .num_experts = 100000, .num_local = 2};
  const auto message = [](const char* op, uint32_t most) {
    return str(
        op,
        ": expected at most ",
        most,
        " experts beside local_experts, for a core has the row of each in its L1, got 100000; give the experts smaller "
        "ids, or call it with CPU tensors");
  };
  CHECK_THROWS(DeviceError, map(*device, launcher, c), message(kPrepareMapping, 86624));
  CHECK_THROWS(DeviceError, list(*device, launcher, c), message(kPrepareRouting, 43048));
  CHECK_THROWS(DeviceError, group(*device, launcher, c, 1), message(kPrepareGrouping, 43048));
}

TEST(a_row_of_the_map_fits_into_l1) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  CHECK_THROWS(
      DeviceError,
      map(*device, launcher, {.num_tokens = 3, .top_k = 1, .num_experts = 600000, .pages = kRowPages}),
      "moe::prepare_mapping: expected rows of the map of at most 689024 bytes, for a core builds them in its L1, got "
      "1200000");
}

TEST(the_first_id_out_of_range_is_reported_once) {
  check_invalid_ids({500, 4, 16, 8});
}

TEST(the_first_id_out_of_range_is_found_in_rows) {
  check_invalid_ids({.num_tokens = 500, .top_k = 4, .num_experts = 16, .id_size = 8, .pages = kRowPages});
}

TEST(programs_are_built_once_for_all_shapes) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  // A map, a routing, and a grouping for each alignment.
  const uint64_t calls = 2 + std::size(kAlignments);
  const uint64_t before = device->num_launches();
  route(*device, launcher, {1000, 2, 8});
  const size_t programs = launcher.programs->size();
  CHECK(programs <= calls);
  route(*device, launcher, {990, 2, 8});
  CHECK_EQ(device->num_launches() - before, 2 * calls);
  CHECK_EQ(launcher.programs->size(), programs);
}
