#pragma once

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "export.h"

namespace moe::tt::backend {

// A backend of torch.distributed for tensors on tt, by way of another one that reads and writes host memory, as gloo:
// what it sends is copied to the host before, and what it receives is copied to the device when the work is waited for.
// Tensors on the CPU pass as they are.
MOE_API c10::intrusive_ptr<c10d::Backend> host_backend(c10::intrusive_ptr<c10d::Backend> host);

}  // namespace moe::tt::backend
