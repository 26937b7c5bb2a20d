#pragma once

#include <charconv>
#include <cstdint>
#include <string>

#include "tt/runtime/runtime.h"
#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {

// Leaves a device the cores that TORCH_TT_GRID names, such as "8x4": columns and rows from core 0 on. Another process
// may use the rest, and a measurement sees what cores are worth. Throws EnvironmentError if the chip has no such grid.
inline void apply_grid_variable(DeviceProperties& properties) {
  constexpr const char* kVariable = "TORCH_TT_GRID";
  const std::string value = get_env(kVariable);
  if (value.empty()) {
    return;
  }
  const char* const end = value.data() + value.size();
  uint32_t columns = 0;
  uint32_t rows = 0;
  auto parsed = std::from_chars(value.data(), end, columns);
  if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == 'x') {
    parsed = std::from_chars(parsed.ptr + 1, end, rows);
  }
  const bool inside = columns >= 1 && columns <= properties.grid_x && rows >= 1 && rows <= properties.grid_y;
  if (parsed.ec != std::errc() || parsed.ptr != end || !inside) {
    throw EnvironmentError(
        kVariable,
        str("columns and rows of worker cores from 1x1 to ", properties.grid_x, "x", properties.grid_y),
        value);
  }
  properties.grid_x = columns;
  properties.grid_y = rows;
}

}  // namespace moe::tt::runtime
