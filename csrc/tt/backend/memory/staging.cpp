#include "tt/backend/memory/staging.h"

#include <span>

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "tt/backend/memory/device_span.h"

namespace moe::tt::backend {
namespace {

// Strides are not negative: a tensor's first element is at its lowest address.
size_t covered_bytes(const at::Tensor& tensor) {
  return at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize());
}

at::Tensor empty_image(const at::Tensor& tensor) {
  auto bytes = at::empty({static_cast<int64_t>(covered_bytes(tensor))}, at::TensorOptions(at::kByte));
  auto image = at::from_blob(
      bytes.mutable_data_ptr(),
      tensor.sizes(),
      tensor.strides(),
      [bytes](void*) {},
      tensor.options().device(at::kCPU).requires_grad(false));
  image._set_conj(tensor.is_conj());
  image._set_neg(tensor.is_neg());
  return image;
}

void read(const at::Tensor& tensor, void* destination) {
  const DeviceSpan span = span_of(tensor);
  span.device->device().read(span.buffer, span.offset, {static_cast<std::byte*>(destination), covered_bytes(tensor)});
}

}  // namespace

at::Tensor download(const at::Tensor& tensor) {
  auto image = empty_image(tensor);
  if (tensor.numel() > 0) {
    read(tensor, image.mutable_data_ptr());
  }
  return image;
}

at::Tensor image_to_fill(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? empty_image(tensor) : download(tensor);
}

void upload(const at::Tensor& image, const at::Tensor& tensor) {
  if (tensor.numel() == 0) {
    return;
  }
  const DeviceSpan span = span_of(tensor);
  span.device->device().write(
      span.buffer, span.offset, {static_cast<const std::byte*>(image.const_data_ptr()), covered_bytes(tensor)});
}

bool has_same_layout(const at::Tensor& host, const at::Tensor& tensor) {
  return host.scalar_type() == tensor.scalar_type() && host.sizes() == tensor.sizes() &&
         host.strides() == tensor.strides() && host.is_non_overlapping_and_dense() &&
         host.is_conj() == tensor.is_conj() && host.is_neg() == tensor.is_neg();
}

void download_into(const at::Tensor& tensor, const at::Tensor& host) {
  if (tensor.numel() > 0) {
    read(tensor, host.mutable_data_ptr());
  }
}

}  // namespace moe::tt::backend
