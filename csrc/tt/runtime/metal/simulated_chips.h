#pragma once

#include <cstdint>

namespace moe::tt::runtime::metal {

// Several simulated chips in fast dispatch. TT-Metalium has one host memory for all of them, that of the last one, in
// which the others' command queues are not found: it would wait for them without end. In the chips' own DRAM they are.

// Has TT-Metalium put them there, unless the user has decided; before the first call of it.
void keep_queues_on_simulated_chips();

// Throws where it would wait without end: EnvironmentError where the queues are in host memory, DeviceError where a
// chip is reached through another one, for the simulated Ethernet between them carries nothing.
void require_dispatch_to_simulated_chips(uint32_t count);

}  // namespace moe::tt::runtime::metal
