#pragma once

// What the operators' Autograd kernels share. They are written as PyTorch's own are: a node of the graph for what
// requires a gradient, and a call below Autograd. A C++ torch::autograd::Function would not run under torch.func, and
// one of Python is slow where a call has one token. Nodes call operators, so that a backward pass is traced, compiled
// and run on every device like a forward pass. Those operators have no derivative: it is first order.

#include <mutex>
#include <string>
#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/library.h>

#include "ops/find_operator.h"
#include "ops/torch_versions.h"

namespace moe::autograd {

using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

template <typename Return, typename... Params, typename... Args>
Return call_below(const c10::TypedOperatorHandle<Return(Params...)>& op, c10::DispatchKeySet keys, Args&&... args) {
  const at::AutoDispatchBelowAutograd below;
  return op.redispatch(keys & c10::after_autograd_keyset, std::forward<Args>(args)...);
}

inline void check_no_forward_mode(const char* op, const at::Tensor& tensor) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      !tensor.defined() || !tensor._fw_grad(/*level=*/0).defined(),
      "forward-mode derivative for ",
      op,
      " is not implemented");
}

// A node of one output that has a gradient. What it saves is guarded while it is read and while it is let go.
class Node : public torch::autograd::Node {
 public:
  variable_list apply(variable_list&& grads) override {
    const std::lock_guard lock(mutex_);
    if (!grads[0].defined()) {
      return variable_list(num_outputs());
    }
    return differentiate(grads[0]);
  }

  void release_variables() override {
    const std::lock_guard lock(mutex_);
    release();
  }

 protected:
  virtual variable_list differentiate(const at::Tensor& grad) = 0;
  virtual void release() = 0;
};

inline SavedVariable save(const at::Tensor& tensor) {
  return {tensor, /*is_output=*/false};
}

inline SavedVariable save(const std::optional<at::Tensor>& tensor) {
  return {tensor, /*is_output=*/false};
}

inline std::optional<at::Tensor> unpack_optional(SavedVariable& saved) {
  at::Tensor tensor = saved.unpack();
  return tensor.defined() ? std::optional(std::move(tensor)) : std::nullopt;
}

}  // namespace moe::autograd
