#include "tt/backend/aten/operators.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/staging.h"

namespace moe::tt::backend {

// `non_blocking` changes nothing. A copy to the device has always taken the bytes when it returns, and the device
// stores them later. A copy to the host always waits: host memory cannot tell when the bytes have arrived.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool /*non_blocking*/) {
  if (!dst.is_privateuseone()) {
    wait_for(self);
    if (dst.is_cpu() && has_same_layout(dst, self)) {
      copy_to_host(self, dst);
    } else {
      dst.copy_(copy_to_host(self));
    }
    open_device(self.device().index()).check_launches();
  } else if (!self.is_cpu()) {
    if (self.is_privateuseone()) {
      wait_for(self);
    }
    copy_from(self.is_privateuseone() ? copy_to_host(self) : self.cpu(), dst, false);
  } else {
    const auto lock = open_device(dst.device().index()).begin_write();
    if (has_same_layout(self, dst)) {
      copy_to_device(self, dst);
    } else {
      const auto staging = staging_for_overwrite(dst);
      staging.copy_(self);
      copy_to_device(staging, dst);
    }
  }
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  dst.resize_(self.sizes());
  return copy_from(self, dst, false);
}

}  // namespace moe::tt::backend
