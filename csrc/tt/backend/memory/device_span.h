#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ATen/core/Tensor.h>

#include "tt/backend/device/torch_device.h"

namespace moe::tt::backend {

// Bytes on a device: a buffer, an offset in it, and whose buffer it is.
struct DeviceSpan : runtime::BufferSpan {
  TorchDevice* device = nullptr;
  uint64_t end = 0;  // of what was allocated, in the buffer: nobody uses what is behind it

  // Writes bytes from here on; they are taken when it returns.
  void write(std::span<const std::byte> bytes) const;
};

// The bytes from a tt tensor's first element on. The buffer may be handed to launches: they come before whatever the
// memory's next owner enqueues.
DeviceSpan span_of(const at::Tensor& tensor);

// The bytes from an address of device memory on, as DataPtr and Storage hold it.
DeviceSpan span_of(const void* address);

// Copies between two addresses of device memory, on one device or two, by way of the host.
void copy_bytes(const void* source, void* destination, uint64_t size);

}  // namespace moe::tt::backend
