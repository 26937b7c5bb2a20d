#include "tt/backend/memory/borrowed.h"

#include <utility>

#include <c10/core/StorageImpl.h>
#include <c10/util/accumulate.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/memory/caching_allocator.h"

namespace moe::tt::backend {

at::Tensor borrow_memory(
    c10::DeviceIndex index,
    uint32_t address,
    uint32_t page_size,
    at::IntArrayRef sizes,
    at::ScalarType dtype,
    std::shared_ptr<void> lender) {
  TorchDevice& device = open_device(index);
  const uint64_t bytes = c10::multiply_integers(sizes) * c10::elementSize(dtype);
  auto buffer = device.runtime_device().view(address, bytes, page_size);
  void* const begin = device.caching_allocator().adopt(std::move(buffer), std::move(lender));
  auto* const raw = allocator();
  c10::Storage storage(
      c10::Storage::use_byte_size_t(),
      bytes,
      c10::DataPtr(begin, begin, raw->raw_deleter(), c10::Device(c10::kPrivateUse1, index)),
      raw,
      /*resizable=*/false);
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::scalarTypeToTypeMeta(dtype));
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return tensor;
}

std::shared_ptr<void> lender_of(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_privateuseone(), "expected a tensor on tt, got one on ", tensor.device());
  const void* const begin = tensor.storage().data();
  TorchDevice* const device = find_device_of(begin);
  return device == nullptr ? nullptr : device->caching_allocator().lender_of(begin);
}

void return_borrowed_memory() {
  if (in_bad_fork()) {
    return;
  }
  for (TorchDevice* device : open_devices()) {
    device->caching_allocator().return_adopted();
  }
}

}  // namespace moe::tt::backend
