#include "tt/backend/memory/device_span.h"

#include <vector>

#include <c10/util/Exception.h>

namespace moe::tt::backend {

DeviceSpan span_of(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_privateuseone(), "expected a tensor on tt, got one on ", tensor.device());
  if (tensor.numel() == 0) {
    return {{}, &open_device(tensor.device().index())};
  }
  return span_of(tensor.const_data_ptr());
}

DeviceSpan span_of(const void* address) {
  TorchDevice* device = find_device_of(address);
  TORCH_CHECK(
      device != nullptr,
      "expected an address of tt memory, got ",
      address,
      ", which is none, or was before ttnn closed the device: make the tensor anew");
  device->check_usable();
  auto [place, size] = device->caching_allocator().find(address);
  return {std::move(place), device, size};
}

runtime::RestOfPage rest_of_page(const DeviceSpan& span, uint64_t written) {
  return written >= span.size ? runtime::RestOfPage::kUndefined : runtime::RestOfPage::kKept;
}

void copy_bytes(const void* source, void* destination, uint64_t size) {
  if (size == 0) {
    return;
  }
  std::vector<std::byte> bytes(size);
  const DeviceSpan from = span_of(source);
  from.device->runtime_device().read(from.buffer, from.offset, bytes);
  const DeviceSpan to = span_of(destination);
  const auto lock = to.device->begin_write();
  to.device->runtime_device().write(to.buffer, to.offset, bytes, rest_of_page(to, size));
}

}  // namespace moe::tt::backend
