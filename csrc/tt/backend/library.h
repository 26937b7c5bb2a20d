#pragma once

#include <torch/library.h>

namespace moe::tt::backend {

// A library for kernels of one dispatch key. It does at a call what TORCH_LIBRARY_IMPL does when the file is loaded:
// kernels for PrivateUse1 must not be registered before it is known that no other backend has it. Never destroyed, as
// that would unregister the kernels.
inline torch::Library& implement(const char* name_space, c10::DispatchKey key) {
  return *new torch::Library(torch::Library::IMPL, name_space, key, __FILE__, __LINE__);
}

}  // namespace moe::tt::backend
