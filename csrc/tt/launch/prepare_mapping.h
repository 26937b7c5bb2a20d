#pragma once

#include "tt/launch/launcher.h"

namespace moe::tt::launch {

// Launches moe::prepare_mapping: (num_tokens, num_experts) weights into `mapping`.
void prepare_mapping(Launcher& launcher, const RouterChoices& choices, const runtime::BufferSpan& mapping);

}  // namespace moe::tt::launch
