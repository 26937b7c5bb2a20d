#pragma once

#include <torch/library.h>

namespace moe::tt::backend {

// The casts of torch.autocast("tt"), by PyTorch's own lists for accelerators; `library` is of AutocastPrivateUse1.
void register_autocast(torch::Library& library);

}  // namespace moe::tt::backend
