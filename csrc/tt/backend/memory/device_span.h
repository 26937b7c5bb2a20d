#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "tt/backend/device/torch_device.h"

namespace moe::tt::backend {

// Bytes on a device: a buffer, an offset in it, whose buffer it is, and how many bytes from there on are somebody's.
struct DeviceSpan : runtime::BufferSpan {
  TorchDevice* device = nullptr;
  uint64_t size = 0;
};

// The bytes from a tt tensor's first element on. The buffer may be handed to launches: they come before whatever the
// memory's next owner enqueues.
DeviceSpan span_of(const at::Tensor& tensor);

// The bytes from an address of device memory on, as DataPtr and Storage hold it.
DeviceSpan span_of(const void* address);

// What the last page's bytes are behind the first `written` of the span: nobody's where they are the span's last.
runtime::RestOfPage rest_of_page(const DeviceSpan& span, uint64_t written);

// Copies between two addresses of device memory, on one device or two, by way of the host.
void copy_bytes(const void* source, void* destination, uint64_t size);

}  // namespace moe::tt::backend
