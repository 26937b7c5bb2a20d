#pragma once

#include "export.h"

namespace moe::tt {

// Makes torch.accelerator.Graph capture and replay launches on tt. The device's name must be registered.
MOE_API void register_graphs();

}  // namespace moe::tt
