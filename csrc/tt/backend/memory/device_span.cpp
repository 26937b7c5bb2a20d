#include "tt/backend/memory/device_span.h"

#include <algorithm>
#include <mutex>
#include <utility>
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
  auto [span, end] = device->caching_allocator().find(address);
  return {std::move(span), device, end};
}

void DeviceSpan::write(std::span<const std::byte> bytes) const {
  runtime::Device& runtime_device = device->runtime_device();
  const uint64_t page_size = buffer->page_size();
  const uint64_t behind = (offset + bytes.size()) % page_size;  // the beginning of the last page
  if (offset + bytes.size() < end || behind == 0 || behind > bytes.size()) {
    runtime_device.write(buffer, offset, bytes);
    return;
  }
  // The last page is written whole. To keep what is behind the bytes, which is nothing, metal would wait for it.
  const uint64_t before = bytes.size() - behind;
  if (before > 0) {
    runtime_device.write(buffer, offset, bytes.first(before));
  }
  std::vector<std::byte> page(page_size);
  std::ranges::copy(bytes.subspan(before), page.begin());
  runtime_device.write(buffer, offset + before, page);
}

void copy_bytes(const void* source, void* destination, uint64_t size) {
  if (size == 0) {
    return;
  }
  std::vector<std::byte> bytes(size);
  const DeviceSpan from = span_of(source);
  from.device->runtime_device().read(from.buffer, from.offset, bytes);
  const DeviceSpan to = span_of(destination);
  const std::lock_guard lock(to.device->write_mutex());
  to.write(bytes);
}

}  // namespace moe::tt::backend
