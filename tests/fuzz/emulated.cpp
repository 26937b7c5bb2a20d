// Calls that libFuzzer thinks of, through the operators' kernels on the emulated device, against a plain loop.

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "choices.h"
#include "tt/launch/permute.h"
#include "tt/launch/prepare_grouping.h"
#include "tt/launch/prepare_mapping.h"
#include "tt/launch/prepare_routing.h"
#include "tt/support/math.h"

using namespace moe::tt;
using namespace moe::tt::launch;
using namespace moe::tt::runtime;
using fuzz::Bytes;
using fuzz::require;

namespace {

struct Chip {
  const char* architecture;
  const char* grid;
  const char* checks;
};

// With few cores, which take less time and have other plans.
constexpr Chip kChips[] = {
    {"wormhole_b0", "1x1", "some"},
    {"wormhole_b0", "3x2", "all"},
    {"blackhole", "2x1", "all"},
    {"blackhole", "5x3", "some"},
};

struct Emulated {
  explicit Emulated(const Chip& chip) {
    setenv("TORCH_TT_EMULATED_ARCH", chip.architecture, 1);
    setenv("TORCH_TT_GRID", chip.grid, 1);
    setenv("TORCH_TT_EMULATED_CHECKS", chip.checks, 1);
    device = make_emulated_runtime()->open(0);
    launcher = std::make_unique<Launcher>(
        std::make_shared<ProgramCache>(*device),
        BufferSpan{device->allocate(InvalidIds::num_bytes(device->properties()), 128)});
  }

  std::unique_ptr<Device> device;
  std::unique_ptr<Launcher> launcher;
};

Emulated& emulated(Bytes& bytes) {
  static std::array<std::unique_ptr<Emulated>, std::size(kChips)> opened;
  const uint32_t chosen = bytes.between(0, std::size(kChips) - 1);
  if (opened[chosen] == nullptr) {
    opened[chosen] = std::make_unique<Emulated>(kChips[chosen]);
  }
  return *opened[chosen];
}

// Tensors in pages of one kind.
class Memory {
 public:
  Memory(Device& device, Bytes& bytes) : device_(device), rows_(bytes.flag()) {
    static constexpr uint32_t kPageSizes[] = {64, 128, 256, 1024, 4096};
    page_size_ = bytes.one_of(kPageSizes);
    elements_before_ = bytes.flag() ? 0 : bytes.between(0, 600);
  }

  template <typename Number>
  launch::Tensor input(const std::vector<Number>& numbers, uint32_t width, uint32_t size) {
    const uint32_t offset = elements_before_ * size;
    launch::Tensor tensor = allocate(numbers.size(), width, size, offset);
    device_.write(tensor.buffer, 0, packed(tensor, numbers, width, size, offset));
    return tensor;
  }

  // Holds something else before.
  launch::Tensor output(size_t count, uint32_t width, uint32_t size) {
    launch::Tensor tensor = allocate(count, width, size, 0);
    device_.write(tensor.buffer, 0, std::vector<std::byte>(tensor.buffer->size(), kBefore));
    return tensor;
  }

  // Whether an output has the numbers, and in what pads its rows what was there before.
  bool holds(const launch::Tensor& tensor, const std::vector<uint32_t>& numbers, uint32_t width, uint32_t size) {
    std::vector<std::byte> bytes(tensor.buffer->size());
    device_.read(tensor.buffer, 0, bytes);
    std::vector<std::byte> expected = packed(tensor, numbers, width, size, 0);
    if (!rows_) {
      bytes.resize(numbers.size() * size);
      expected.resize(bytes.size());
    }
    return bytes == expected;
  }

 private:
  static constexpr std::byte kBefore{0x5A};

  launch::Tensor allocate(size_t count, uint32_t width, uint32_t size, uint32_t offset) {
    if (!rows_) {
      return flat_tensor({device_.allocate(offset + count * size, page_size_), offset});
    }
    const auto row = static_cast<uint32_t>(round_up(width * size, device_.properties().dram_alignment));
    return row_tensor(device_.allocate(count / width * row, row), width * size);
  }

  template <typename Number>
  std::vector<std::byte> packed(
      const launch::Tensor& tensor,
      const std::vector<Number>& numbers,
      uint32_t width,
      uint32_t size,
      uint32_t offset) {
    std::vector<std::byte> bytes(tensor.buffer->size(), kBefore);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const size_t place = rows_ ? i / width * tensor.buffer->page_size() + i % width * size : offset + i * size;
      std::memcpy(&bytes[place], &numbers[i], size);
    }
    return bytes;
  }

  Device& device_;
  const bool rows_;
  uint32_t page_size_;
  uint32_t elements_before_;  // inputs, in flat pages
};

RouterChoices upload(Memory& memory, const fuzz::Choices& choices) {
  RouterChoices uploaded{
      .ids = memory.input(choices.ids.bits, choices.top_k, choices.ids.size),
      .id_size = choices.ids.size,
      .ids_signed = choices.ids.is_signed,
      .weights = memory.input(choices.weights, choices.top_k, choices.weight_size),
      .weight_size = choices.weight_size,
      .num_tokens = choices.num_tokens,
      .top_k = choices.top_k,
      .num_experts = choices.num_experts};
  if (const auto& local = choices.local_experts) {
    uploaded.local_experts = LocalExperts{
        .ids = memory.input(local->bits, choices.num_rows(), local->size),
        .id_size = local->size,
        .ids_signed = local->is_signed,
        .count = choices.num_rows()};
  }
  return uploaded;
}

// Whether there is an error, as there should be, and it names the first id of its tensor.
bool is_reported(Launcher& launcher, const fuzz::Choices& choices) {
  const auto invalid = launcher.invalid_ids.take();
  require(invalid.has_value() != choices.are_in_range(), "an id out of range is an error, and nothing else is");
  if (invalid) {
    const bool is_local = invalid->checked.kind == CheckedIds::kLocalExperts;
    require(is_local || invalid->checked.kind == CheckedIds::kExperts, "the error names a tensor of the call");
    const auto& local = choices.local_experts;
    const bool local_is_first = local && local->first_out_of_range(choices.num_experts);
    require(is_local == local_is_first, "ids of local_experts come before the choices");
    const fuzz::Ids& ids = is_local ? *local : choices.ids;
    const size_t first = ids.first_out_of_range(choices.num_experts).value();
    require(static_cast<size_t>(invalid->position) == first, "the error names the first position");
    require(invalid->id == ids.number(first), "the error names the id");
    require(invalid->limit == choices.num_experts, "the error names E");
    require(!invalid->more_calls, "there was one call");
  }
  return invalid.has_value();
}

void map(Launcher& launcher, Memory& memory, const fuzz::Choices& choices) {
  const uint32_t columns = choices.num_rows();
  const size_t count = size_t{choices.num_tokens} * columns;
  const launch::Tensor mapping = memory.output(count, columns, choices.weight_size);
  prepare_mapping(launcher, upload(memory, choices), mapping);
  if (!is_reported(launcher, choices)) {
    require(memory.holds(mapping, fuzz::Mapping(choices).weights, columns, choices.weight_size), "the map is right");
  }
}

void list(Bytes& bytes, Launcher& launcher, Memory& memory, const fuzz::Choices& choices) {
  const uint32_t width = choices.row_width();
  const fuzz::Routing expected(choices);
  const launch::Tensor counts = memory.output(expected.num_rows, expected.num_rows, 4);
  const launch::Tensor tokens = memory.output(expected.tokens.size(), width, 4);
  const launch::Tensor weights = memory.output(expected.tokens.size(), width, choices.weight_size);
  const RouterChoices uploaded = upload(memory, choices);
  std::optional<size_t> plan;
  if (bytes.flag()) {
    const size_t plans = routing_costs(launcher.target, uploaded, choices.max_tokens).size();
    plan = bytes.between(0, static_cast<uint32_t>(plans) - 1);
  }
  prepare_routing(launcher, uploaded, counts, tokens, weights, choices.max_tokens, plan);
  if (!is_reported(launcher, choices)) {
    require(memory.holds(counts, expected.counts, expected.num_rows, 4), "the counts are right");
    require(memory.holds(tokens, expected.tokens, width, 4), "the lists of tokens are right");
    require(memory.holds(weights, expected.weights, width, choices.weight_size), "the lists of weights are right");
  }
}

void group(Launcher& launcher, Memory& memory, const fuzz::Choices& choices) {
  if (choices.num_rows() > max_groups(launcher.target)) {
    return;
  }
  const fuzz::Grouping expected(choices);
  const auto list = [&](size_t count, uint32_t size) {
    return memory.output(count, static_cast<uint32_t>(count), size);
  };
  const auto holds = [&](const launch::Tensor& tensor, const std::vector<uint32_t>& numbers, uint32_t size = 4) {
    return memory.holds(tensor, numbers, static_cast<uint32_t>(numbers.size()), size);
  };
  const GroupingOutputs outputs{
      .sizes = list(expected.sizes.size(), 4),
      .offsets = list(expected.offsets.size(), 4),
      .tokens = list(expected.tokens.size(), 4),
      .weights = list(expected.weights.size(), choices.weight_size),
      .positions = memory.output(expected.positions.size(), choices.top_k, 4)};
  prepare_grouping(launcher, upload(memory, choices), {choices.alignment, choices.max_tokens}, outputs);
  if (!is_reported(launcher, choices)) {
    require(holds(outputs.sizes, expected.sizes), "the sizes of groups are right");
    require(holds(outputs.offsets, expected.offsets), "the offsets of groups are right");
    require(holds(outputs.tokens, expected.tokens), "the tokens of rows are right");
    require(holds(outputs.weights, expected.weights, choices.weight_size), "the weights of rows are right");
    require(memory.holds(outputs.positions, expected.positions, choices.top_k, 4), "the positions are right");
  }
}

// Rows of elements of two bytes.
void permute(Bytes& bytes, Launcher& launcher, Memory& memory) {
  static constexpr uint32_t kMostRows[] = {4, 40, 1000};
  static constexpr uint32_t kWidths[] = {4, 300, 5000};
  const uint32_t num_tokens = bytes.between(1, bytes.one_of(kMostRows));
  const uint32_t num_rows = bytes.between(1, bytes.one_of(kMostRows));
  uint32_t width = bytes.between(1, bytes.one_of(kWidths));
  width = std::min(width, 20'000 / std::max(num_tokens, num_rows));
  std::vector<int32_t> tokens;
  std::optional<size_t> wrong;
  const uint32_t step = bytes.next();
  for (uint32_t row = 0; row < num_rows; ++row) {
    const uint32_t word = bytes.ended() ? row * step : bytes.between(0, num_tokens + 8);
    const bool is_token = word < num_tokens || bytes.ended();
    tokens.push_back(is_token ? static_cast<int32_t>(word % num_tokens) : word == num_tokens + 8 ? -7 : -1);
    if (tokens.back() == -7 && !wrong) {
      wrong = row;
    }
  }
  std::vector<uint32_t> hidden(size_t{num_tokens} * width);
  for (size_t i = 0; i < hidden.size(); ++i) {
    hidden[i] = static_cast<uint32_t>(i * 40503) & 0xFFFF;
  }
  const launch::Tensor permuted = memory.output(size_t{num_rows} * width, width, 2);
  permute(
      launcher,
      {.hidden = memory.input(hidden, width, 2),
       .grouped_tokens = memory.input(tokens, num_rows, 4),
       .num_tokens = num_tokens,
       .num_rows = num_rows,
       .row_size = 2 * width},
      permuted);
  const auto invalid = launcher.invalid_ids.take();
  require(invalid.has_value() == wrong.has_value(), "a row out of range is an error, and nothing else is");
  if (invalid) {
    require(static_cast<size_t>(invalid->position) == *wrong && invalid->id == -7, "the error names the first row");
    return;
  }
  std::vector<uint32_t> expected(size_t{num_rows} * width);
  for (size_t row = 0; row < num_rows; ++row) {
    for (size_t i = 0; i < width && tokens[row] >= 0; ++i) {
      expected[row * width + i] = hidden[size_t(tokens[row]) * width + i];
    }
  }
  require(memory.holds(permuted, expected, width, 2), "the rows are right");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  setenv("TORCH_TT_EMULATED_TIMEOUT", "60", /*overwrite=*/0);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes({data, size});
  Emulated& chosen = emulated(bytes);
  Launcher& launcher = *chosen.launcher;
  Memory memory(*chosen.device, bytes);
  const uint32_t operation = bytes.between(0, 3);
  try {
    if (operation == 0) {
      permute(bytes, launcher, memory);
      return 0;
    }
    const fuzz::Choices choices(bytes);
    operation == 1   ? map(launcher, memory, choices)
    : operation == 2 ? list(bytes, launcher, memory, choices)
                     : group(launcher, memory, choices);
  } catch (const std::exception& error) {
    require(false, error.what());
  }
  return 0;
}
