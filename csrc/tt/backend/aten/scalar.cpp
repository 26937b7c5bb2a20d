#include <ATen/ops/_local_scalar_dense.h>

#include "tt/backend/aten/operators.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/staging.h"

namespace moe::tt::backend {

at::Scalar local_scalar_dense(const at::Tensor& self) {
  wait_for(self);
  const at::Scalar value = at::_local_scalar_dense(copy_to_host(self));
  open_device(self.device().index()).check_launches();
  return value;
}

}  // namespace moe::tt::backend
