#include "tt/backend/aten/copy.h"

#include <mutex>

#include <ATen/ops/_local_scalar_dense.h>

#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/staging.h"

namespace moe::tt::backend {
namespace {

std::mutex& writing(const at::Tensor& tensor) {
  return open_device(tensor.device().index()).writing();
}

}  // namespace

// A copy to the device is asynchronous whether asked for or not, since the device takes the bytes first; one to the
// host waits, since no memory on the host could tell when they have arrived.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool /*non_blocking*/) {
  if (!dst.is_privateuseone()) {
    if (dst.is_cpu() && has_same_layout(dst, self)) {
      download_into(self, dst);
    } else {
      dst.copy_(download(self));
    }
    open_device(self.device().index()).run_checks();
  } else if (!self.is_cpu()) {
    copy_from(self.is_privateuseone() ? download(self) : self.cpu(), dst, false);
  } else {
    const std::lock_guard lock(writing(dst));
    if (has_same_layout(self, dst)) {
      upload(self, dst);
    } else {
      const auto image = image_to_fill(dst);
      image.copy_(self);
      upload(image, dst);
    }
  }
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  dst.resize_(self.sizes());
  return copy_from(self, dst, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  const at::Scalar value = at::_local_scalar_dense(download(self));
  open_device(self.device().index()).run_checks();
  return value;
}

at::Tensor& fill_scalar_(at::Tensor& self, const at::Scalar& value) {
  const std::lock_guard lock(writing(self));
  const auto image = image_to_fill(self);
  image.fill_(value);
  upload(image, self);
  return self;
}

at::Tensor& fill_tensor_(at::Tensor& self, const at::Tensor& value) {
  const at::Tensor host_value = value.cpu();
  const std::lock_guard lock(writing(self));
  const auto image = image_to_fill(self);
  image.fill_(host_value);
  upload(image, self);
  return self;
}

at::Tensor& zero_(at::Tensor& self) {
  return fill_scalar_(self, 0);
}

}  // namespace moe::tt::backend
