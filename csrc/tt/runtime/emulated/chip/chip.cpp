#include "tt/runtime/emulated/chip/chip.h"

#include <algorithm>
#include <string>

#include "tt/runtime/grid.h"
#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

std::vector<uint32_t> consecutive(uint32_t first, uint32_t count) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t i = 0; i < count; ++i) {
    numbers[i] = first + i;
  }
  return numbers;
}

Chip wormhole() {
  Chip chip{};
  chip.properties = {
      .runtime = "emulated",
      .name = "Emulated Wormhole",
      .architecture = "wormhole_b0",
      .grid_x = 8,
      .grid_y = 9,
      .l1_size = 1'499'136,
      .l1_unreserved = 104'224,
      .dram_banks = 12,
      .dram_size = 12 * kGiB,
      .dram_alignment = 32,
  };
  chip.l1_zeros = 13'184;
  chip.l1_semaphores = 33'568;
  chip.noc_max_burst = 8192;
  chip.core_columns = consecutive(18, 8);
  chip.core_rows = consecutive(18, 9);
  for (uint32_t bank = 0; bank < 12; ++bank) {
    chip.dram_banks.push_back({bank < 6 ? 0u : 5u, bank % 6});
  }
  return chip;
}

Chip blackhole() {
  Chip chip{};
  chip.properties = {
      .runtime = "emulated",
      .name = "Emulated Blackhole",
      .architecture = "blackhole",
      .grid_x = 13,
      .grid_y = 10,
      .l1_size = 1'572'864,
      .l1_unreserved = 111'360,
      .dram_banks = 8,
      .dram_size = 32 * kGiB,
      .dram_alignment = 64,
  };
  chip.l1_zeros = 13'280;
  chip.l1_semaphores = 40'704;
  chip.noc_max_burst = 16384;
  // Columns 8 and 9 hold no worker cores.
  chip.core_columns = consecutive(1, 7);
  std::ranges::copy(consecutive(10, 6), std::back_inserter(chip.core_columns));
  chip.core_rows = consecutive(2, 10);
  for (uint32_t bank = 0; bank < 8; ++bank) {
    chip.dram_banks.push_back({bank < 4 ? 17u : 18u, 12 + bank % 4 * 3});
  }
  return chip;
}

std::optional<uint32_t> position(const std::vector<uint32_t>& numbers, uint32_t number) {
  auto found = std::ranges::find(numbers, number);
  return found == numbers.end() ? std::nullopt : std::optional<uint32_t>(found - numbers.begin());
}

}  // namespace

std::optional<uint32_t> Chip::core_at(NocCoordinates noc) const {
  auto column = position(core_columns, noc.x);
  auto row = position(core_rows, noc.y);
  return column && row ? std::optional<uint32_t>(*row * properties.grid_x + *column) : std::nullopt;
}

std::optional<uint32_t> Chip::bank_at(NocCoordinates noc) const {
  auto found = std::ranges::find(dram_banks, noc);
  return found == dram_banks.end() ? std::nullopt : std::optional<uint32_t>(found - dram_banks.begin());
}

Chip chip_from_environment() {
  const std::string architecture =
      get_env_choice("TORCH_TT_EMULATED_ARCH", "wormhole_b0", {"wormhole_b0", "blackhole"});
  Chip chip = architecture == "blackhole" ? blackhole() : wormhole();
  apply_grid_variable(chip.properties);
  chip.core_columns.resize(chip.properties.grid_x);
  chip.core_rows.resize(chip.properties.grid_y);
  uint64_t unit = uint64_t{chip.properties.dram_banks} * chip.properties.dram_alignment;
  uint64_t size = get_env_number(
      "TORCH_TT_EMULATED_DRAM_SIZE", chip.properties.dram_size, 2 * unit, chip.properties.dram_size, "bytes");
  chip.properties.dram_size = size / unit * unit;
  return chip;
}

uint32_t device_count_from_environment() {
  return static_cast<uint32_t>(get_env_number("TORCH_TT_EMULATED_DEVICES", 1, 1, 64, "devices"));
}

}  // namespace moe::tt::runtime::emulated
