#pragma once

#include <chrono>

namespace moe::tt::runtime::metal {

// Throws DeviceError where another process has one of the chips open that TT-Metalium would open: all of them but those
// that TT_VISIBLE_DEVICES leaves out. TT-Metalium itself would wait for that process to end, however long it runs.
// `patience` is for a process that is just ending.
void require_chips_not_in_use(std::chrono::seconds patience);

// Of one chip, by the number of its file in /dev/tenstorrent.
void require_chip_not_in_use(int chip, std::chrono::seconds patience);

}  // namespace moe::tt::runtime::metal
