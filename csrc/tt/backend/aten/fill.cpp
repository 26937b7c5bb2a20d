#include "tt/backend/aten/operators.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/staging.h"

namespace moe::tt::backend {
namespace {

template <typename Value>
at::Tensor& fill(at::Tensor& self, const Value& value) {
  const auto lock = open_device(self.device().index()).begin_write();
  const auto staging = staging_for_overwrite(self);
  staging.fill_(value);
  copy_to_device(staging, self);
  return self;
}

}  // namespace

at::Tensor& fill_scalar_(at::Tensor& self, const at::Scalar& value) {
  return fill(self, value);
}

// The value is a number, and may be on another device than the tensor: that of either is tt.
at::Tensor& fill_tensor_(at::Tensor& self, const at::Tensor& value) {
  const auto number = value.cpu();
  return self.is_privateuseone() ? fill(self, number) : self.fill_(number);
}

at::Tensor& zero_(at::Tensor& self) {
  return fill_scalar_(self, 0);
}

}  // namespace moe::tt::backend
