#include "tt/backend/aten/operators.h"

namespace moe::tt::backend {
namespace {

// Whether PyTorch may copy everything but autograd's part from one such tensor into another: what it says of the CPU's
// and of the other devices that it knows. It leaves out tt, whose tensors are plain ones too.
bool is_dense(const at::Tensor& tensor) {
  return tensor.is_privateuseone() ? tensor.key_set().has(c10::DispatchKey::PrivateUse1)
                                   : tensor.unsafeGetTensorImpl()->has_compatible_shallow_copy_type(
                                         c10::DispatchKeySet(c10::DispatchKey::CPU));
}

}  // namespace

bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from) {
  return self.unsafeGetTensorImpl()->has_compatible_shallow_copy_type(from.key_set()) ||
         (is_dense(self) && is_dense(from));
}

}  // namespace moe::tt::backend
