#include "tt/backend/memory/staging.h"

#include <span>

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "tt/backend/memory/copied_bytes.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt::backend {
namespace {

// Strides are not negative, so the first element has the lowest address.
size_t covered_bytes(const at::Tensor& tensor) {
  return at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize());
}

at::Tensor empty_staging(const at::Tensor& tensor) {
  auto bytes = at::empty({static_cast<int64_t>(covered_bytes(tensor))}, at::TensorOptions(at::kByte));
  auto staging = at::from_blob(
      bytes.mutable_data_ptr(),
      tensor.sizes(),
      tensor.strides(),
      [bytes](void*) {},
      tensor.options().device(at::kCPU).requires_grad(false));
  staging._set_conj(tensor.is_conj());
  staging._set_neg(tensor.is_neg());
  return staging;
}

void read(const at::Tensor& tensor, void* destination) {
  const DeviceSpan span = span_of(tensor);
  span.device->runtime_device().read(
      span.buffer, span.offset, {static_cast<std::byte*>(destination), covered_bytes(tensor)});
  copied_bytes().from_device += covered_bytes(tensor);
}

}  // namespace

void wait_for(const at::Tensor& tensor) {
  // Not the device that has the tensor's index now: ttnn may have closed the tensor's.
  span_of(tensor).device->wait();
}

at::Tensor copy_to_host(const at::Tensor& tensor) {
  auto staging = empty_staging(tensor);
  if (tensor.numel() > 0) {
    read(tensor, staging.mutable_data_ptr());
  }
  return staging;
}

at::Tensor staging_for_overwrite(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? empty_staging(tensor) : copy_to_host(tensor);
}

void copy_to_device(const at::Tensor& staging, const at::Tensor& tensor) {
  if (tensor.numel() == 0) {
    return;
  }
  const DeviceSpan span = span_of(tensor);
  const size_t bytes = covered_bytes(tensor);
  span.device->runtime_device().write(
      span.buffer,
      span.offset,
      {static_cast<const std::byte*>(staging.const_data_ptr()), bytes},
      rest_of_page(span, bytes));
  copied_bytes().to_device += bytes;
}

bool has_same_layout(const at::Tensor& host, const at::Tensor& tensor) {
  return host.scalar_type() == tensor.scalar_type() && host.sizes() == tensor.sizes() &&
         host.strides() == tensor.strides() && host.is_non_overlapping_and_dense() &&
         host.is_conj() == tensor.is_conj() && host.is_neg() == tensor.is_neg();
}

void copy_to_host(const at::Tensor& tensor, const at::Tensor& host) {
  if (tensor.numel() > 0) {
    read(tensor, host.mutable_data_ptr());
  }
}

}  // namespace moe::tt::backend
