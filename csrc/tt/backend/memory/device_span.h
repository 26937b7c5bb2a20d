#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "tt/backend/device/torch_device.h"

namespace moe::tt::backend {

// Where bytes are on a device.
struct DeviceSpan : runtime::BufferSpan {
  OpenDevice* device = nullptr;
};

// Where a tt tensor's first element is; its strides count from there. The buffer may be handed to launches: their
// effects on it come before those of whoever gets the memory next.
DeviceSpan span_of(const at::Tensor& tensor);

// Where an address of device memory is, as DataPtr and Storage hold them.
DeviceSpan span_of(const void* address);

// Copies between two addresses of device memory, of one device or two.
void copy_bytes(const void* source, void* destination, uint64_t size);

}  // namespace moe::tt::backend
