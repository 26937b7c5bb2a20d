#include "tt/backend/memory/device_span.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <c10/util/Exception.h>

#include "tt/support/math.h"

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
  const uint64_t stop = offset + bytes.size();
  if (stop < end || stop % page_size == 0) {
    runtime_device.write(buffer, offset, bytes);
    return;
  }
  // Metal writes whole pages, from the first bank on. To keep what is behind the bytes, which is nothing, it would read
  // their last page first, and so wait for the queue: they are filled up to its end, from where it is written on.
  const uint64_t row = page_size * runtime_device.properties().dram_banks;
  const uint64_t before = std::max(round_down(stop, row), offset) - offset;
  if (before > 0) {
    runtime_device.write(buffer, offset, bytes.first(before));
  }
  std::vector<std::byte> pages(round_up(stop, page_size) - offset - before);
  std::ranges::copy(bytes.subspan(before), pages.begin());
  runtime_device.write(buffer, offset + before, pages);
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
