// The operators' kernels, launched as the extension launches them, against a plain loop.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "contract/prepare_grouping.h"
#include "contract/prepare_mapping.h"
#include "device.h"
#include "testing.h"
#include "tt/launch/prepare_grouping.h"
#include "tt/launch/prepare_mapping.h"
#include "tt/launch/prepare_routing.h"

using namespace moe;
using namespace moe::tt;
using namespace moe::tt::kernels;
using namespace moe::tt::launch;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

struct Case {
  uint32_t num_tokens;
  uint32_t top_k;
  uint32_t num_experts;
  uint32_t id_size = 4;
  uint32_t weight_size = 2;
  uint32_t page_size = 256;
  uint32_t offset = 0;  // bytes of the buffers before the ids and the weights
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
};

constexpr uint32_t kAlignments[] = {1, 3, 32};

// What comes of choices in a grouping, in the words of the reference.
struct ExpectedGrouping {
  ExpectedGrouping(
      const Case& c, const std::vector<int64_t>& ids, const std::vector<uint32_t>& choice_weights, uint32_t alignment)
      : sizes(c.num_experts),
        offsets(c.num_experts + 1),
        tokens(GroupingLayout<uint64_t>::of(ids.size(), c.num_experts, alignment).num_rows, -1),
        weights(tokens.size(), 0),
        positions(ids.size(), -1) {
    for (const int64_t id : ids) {
      if (id >= 0) {
        ++sizes[id];
      }
    }
    for (uint32_t group = 0; group < c.num_experts; ++group) {
      offsets[group + 1] = offsets[group] + (sizes[group] + alignment - 1) / alignment * alignment;
    }
    std::vector<uint32_t> next = offsets;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= 0) {
        positions[i] = next[ids[i]]++;
        tokens[positions[i]] = i / c.top_k;
        weights[positions[i]] = choice_weights[i];
      }
    }
  }

  std::vector<uint32_t> sizes;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> weights;
  std::vector<uint32_t> positions;
};

// Choices and what comes of them, in the words of the reference. One in eight routes nowhere.
struct Expected {
  explicit Expected(const Case& c)
      : ids(c.num_tokens * c.top_k),
        weights(ids.size()),
        rows(RoutingLayout<uint32_t>::of(c.num_tokens, c.top_k, c.num_experts).num_rows) {
    std::mt19937 random(7);
    const size_t width = ids.size();
    mapping.assign(size_t{c.num_tokens} * c.num_experts, 0);
    counts.assign(rows, 0);
    tokens.assign(rows * width, kPaddingToken);
    token_weights.assign(rows * width, 0);
    for (size_t i = 0; i < width; ++i) {
      const uint32_t id = random() % c.num_experts;
      weights[i] = c.weight_size == 2 ? random() & 0xFFFF : random();
      if (random() % 8 == 0) {
        ids[i] = -1;
        continue;
      }
      ids[i] = id;
      const size_t place = id * width + counts[id]++;
      mapping[i / c.top_k * c.num_experts + id] = weights[i];
      tokens[place] = i / c.top_k;
      token_weights[place] = weights[i];
    }
  }

  std::vector<int64_t> ids;
  std::vector<uint32_t> weights;
  size_t rows;
  std::vector<uint32_t> mapping;
  std::vector<uint32_t> counts;
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> token_weights;
};

template <typename Number>
std::vector<std::byte> pack(const std::vector<Number>& numbers, uint32_t bytes, uint32_t offset = 0) {
  std::vector<std::byte> packed(offset + numbers.size() * bytes);
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::memcpy(&packed[offset + i * bytes], &numbers[i], bytes);
  }
  return packed;
}

BufferSpan upload(Device& device, const std::vector<std::byte>& bytes, const Case& c) {
  auto buffer = device.allocate(bytes.size(), c.page_size);
  device.write(buffer, 0, bytes);
  return {buffer, c.offset};
}

// A new buffer for so many elements, which holds something else before the kernels write it.
BufferSpan output(Device& device, size_t count, uint32_t bytes, const Case& c) {
  auto buffer = device.allocate(count * bytes, c.page_size);
  device.write(buffer, 0, std::vector<std::byte>(buffer->size(), std::byte{0x5A}));
  return {buffer};
}

bool holds(Device& device, const BufferSpan& span, const std::vector<uint32_t>& numbers, uint32_t bytes) {
  std::vector<std::byte> read(numbers.size() * bytes);
  device.read(span.buffer, 0, read);
  return read == pack(numbers, bytes);
}

RouterChoices upload_choices(Device& device, const Case& c, const Expected& expected) {
  return {
      .ids = upload(device, pack(expected.ids, c.id_size, c.offset), c),
      .id_size = c.id_size,
      .ids_signed = true,
      .weights = upload(device, pack(expected.weights, c.weight_size, c.offset), c),
      .weight_size = c.weight_size,
      .num_tokens = c.num_tokens,
      .top_k = c.top_k,
      .num_experts = c.num_experts};
}

void group(
    Device& device,
    Launcher& launcher,
    const Case& c,
    const RouterChoices& choices,
    const ExpectedGrouping& expected,
    uint32_t alignment) {
  const GroupingOutputs outputs{
      .sizes = output(device, expected.sizes.size(), 4, c),
      .offsets = output(device, expected.offsets.size(), 4, c),
      .tokens = output(device, expected.tokens.size(), 4, c),
      .weights = output(device, expected.weights.size(), c.weight_size, c),
      .positions = output(device, expected.positions.size(), 4, c)};
  prepare_grouping(launcher, choices, alignment, outputs);
  CHECK(holds(device, outputs.sizes, expected.sizes, 4));
  CHECK(holds(device, outputs.offsets, expected.offsets, 4));
  CHECK(holds(device, outputs.tokens, expected.tokens, 4));
  CHECK(holds(device, outputs.weights, expected.weights, c.weight_size));
  CHECK(holds(device, outputs.positions, expected.positions, 4));
}

void route(Device& device, Launcher& launcher, const Case& c) {
  const Expected expected(c);
  const RouterChoices choices = upload_choices(device, c, expected);

  const BufferSpan mapping = output(device, expected.mapping.size(), c.weight_size, c);
  prepare_mapping(launcher, choices, mapping);
  CHECK(holds(device, mapping, expected.mapping, c.weight_size));

  const BufferSpan counts = output(device, expected.rows, 4, c);
  const BufferSpan tokens = output(device, expected.tokens.size(), 4, c);
  const BufferSpan weights = output(device, expected.tokens.size(), c.weight_size, c);
  prepare_routing(launcher, choices, counts, tokens, weights);
  CHECK(holds(device, counts, expected.counts, 4));
  CHECK(holds(device, tokens, expected.tokens, 4));
  CHECK(holds(device, weights, expected.token_weights, c.weight_size));
  if (c.num_experts < 10000) {
    for (const uint32_t alignment : kAlignments) {
      group(device, launcher, c, choices, ExpectedGrouping(c, expected.ids, expected.weights, alignment), alignment);
    }
  }
  CHECK(!launcher.invalid_ids.take().has_value());
}

Launcher make_launcher(Device& device) {
  return {device, {device.allocate(InvalidIds::num_bytes(device.properties()), 128)}};
}

void route_all(std::unique_ptr<Device> device) {
  Launcher launcher = make_launcher(*device);
  for (const Case& c : kCases) {
    route(*device, launcher, c);
  }
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
  const uint32_t most = max_groups(launcher);
  CHECK(most > 10000);
  for (const Case& c : {Case{50000, 2, 20}, Case{300, 2, most, 8, 4}}) {
    const Expected expected(c);
    const RouterChoices choices = upload_choices(*device, c, expected);
    group(*device, launcher, c, choices, ExpectedGrouping(c, expected.ids, expected.weights, 3), 3);
    CHECK(!launcher.invalid_ids.take().has_value());
  }
}

TEST(a_page_is_a_packet) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const Case c{.num_tokens = 32, .top_k = 4, .num_experts = 16, .page_size = 8192};
  CHECK_THROWS(
      DeviceError, route(*device, launcher, c), "expected a buffer with pages of at most 4096 bytes, got 8192");
}

TEST(the_first_id_out_of_range_is_reported_once) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  const Case c{500, 4, 16, 8};
  const auto map = [&](std::initializer_list<std::pair<size_t, int64_t>> changes) {
    Expected choices(c);
    for (const auto& [position, id] : changes) {
      choices.ids[position] = id;
    }
    prepare_mapping(launcher, upload_choices(*device, c, choices), output(*device, c.num_tokens * c.num_experts, 2, c));
  };
  map({});
  CHECK(!launcher.invalid_ids.take().has_value());

  map({});
  map({{1999, 16}, {300, -7}, {301, 99}});
  map({{2, int64_t{1} << 40}});
  const auto invalid = launcher.invalid_ids.take();
  CHECK(invalid.has_value());
  CHECK_EQ(invalid->position, 300);
  CHECK_EQ(invalid->id, -7);
  CHECK_EQ(invalid->top_k, 4);
  CHECK_EQ(invalid->num_experts, 16);
  CHECK_EQ(std::string(invalid->op), kPrepareMapping);
  CHECK(invalid->more_calls);
  CHECK(!launcher.invalid_ids.take().has_value());

  map({{2, int64_t{1} << 40}});
  const auto next = launcher.invalid_ids.take();
  CHECK(next.has_value());
  CHECK_EQ(next->id, int64_t{1} << 40);
  CHECK(!next->more_calls);
}

TEST(programs_are_built_once_for_all_shapes) {
  const auto device = open_wormhole();
  Launcher launcher = make_launcher(*device);
  // A map, a routing, and a grouping for each alignment.
  const uint64_t calls = 2 + std::size(kAlignments);
  const uint64_t before = device->num_launches();
  route(*device, launcher, {1000, 2, 8});
  const size_t programs = launcher.programs.size();
  CHECK(programs <= calls);
  route(*device, launcher, {990, 2, 8});
  CHECK_EQ(device->num_launches() - before, 2 * calls);
  CHECK_EQ(launcher.programs.size(), programs);
}
