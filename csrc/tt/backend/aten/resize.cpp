#include <algorithm>

#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <c10/core/DeviceGuard.h>

#include "tt/backend/aten/operators.h"
#include "tt/backend/memory/caching_allocator.h"
#include "tt/backend/memory/device_span.h"

namespace moe::tt::backend {
namespace {

// Throws if elements so far apart have no place in a storage. TensorImpl takes a negative stride for one that it is to
// choose, and says nothing.
void check_strides(at::IntArrayRef size, at::IntArrayRef stride, size_t itemsize) {
  const bool has_elements = std::all_of(size.begin(), size.end(), [](int64_t length) { return length > 0; });
  if (has_elements && stride.size() == size.size()) {
    at::detail::computeStorageNbytes(size, stride, itemsize);
  }
}

// Grows the storage if the tensor's elements do not fit.
void fit_storage(const at::Tensor& tensor) {
  if (tensor.numel() == 0) {
    return;
  }
  const size_t needed =
      at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize(), tensor.storage_offset());
  auto& storage = *tensor.storage().unsafeGetStorageImpl();
  if (needed > storage.nbytes()) {
    resize_storage(storage, needed);
  }
}

}  // namespace

void resize_storage(c10::StorageImpl& storage, size_t bytes) {
  TORCH_CHECK(storage.resizable(), "Trying to resize storage that is not resizable");
  const c10::DeviceGuard device_guard(storage.device());
  auto data = allocator()->allocate(bytes);
  copy_bytes(storage.data(), data.get(), std::min(storage.nbytes(), bytes));
  storage.set_data_ptr_noswap(std::move(data));
  storage.set_nbytes(bytes);
}

const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> memory_format) {
  TORCH_CHECK(
      memory_format != at::MemoryFormat::Preserve,
      "resize_: expected a memory format other than torch.preserve_format");
  at::detail::check_size_nonnegative(size);
  auto* impl = self.unsafeGetTensorImpl();
  if (self.sizes() != size) {
    impl->set_sizes_contiguous(size);
    fit_storage(self);
  }
  if (memory_format) {
    impl->empty_tensor_restride(*memory_format);
  }
  return self;
}

at::Tensor& set_storage_(
    at::Tensor& self, at::Storage source, int64_t storage_offset, at::IntArrayRef size, at::IntArrayRef stride) {
  check_strides(size, stride, self.itemsize());
  at::native::checkSetStorage<int64_t>(self, source, storage_offset, size, stride);
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_offset(storage_offset);
  if (stride.data() != nullptr) {
    impl->set_sizes_and_strides(size, stride);
  } else {
    impl->set_sizes_contiguous(size);
  }
  fit_storage(self);
  return self;
}

at::Tensor& set_empty_(at::Tensor& self) {
  const c10::DeviceGuard device_guard(self.device());
  return set_storage_(
      self,
      c10::Storage(c10::Storage::use_byte_size_t(), 0, allocator()->allocate(0), allocator(), /*resizable=*/true),
      0,
      {0},
      {});
}

}  // namespace moe::tt::backend
