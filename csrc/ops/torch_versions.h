#pragma once

// What differs between the releases of PyTorch that this builds against, 2.11 to 2.15.

#include <memory>
#include <utility>

#include <torch/csrc/autograd/function.h>
#include <torch/version.h>

#define MOE_TORCH_BEFORE(minor) (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < (minor))

// torch.accelerator.Graph, and the interface behind it that a device implements.
#if __has_include(<ATen/core/GraphImplInterface.h>)
#define MOE_TORCH_HAS_GRAPHS 1
#else
#define MOE_TORCH_HAS_GRAPHS 0
#endif

namespace moe {

// A node of the autograd graph, as set_history() takes it.
template <typename Node, typename... Args>
auto make_node(Args&&... args) {
#if MOE_TORCH_BEFORE(13)
  return std::shared_ptr<Node>(new Node(std::forward<Args>(args)...), torch::autograd::deleteNode);
#else
  return c10::make_intrusive<Node>(std::forward<Args>(args)...);
#endif
}

}  // namespace moe
