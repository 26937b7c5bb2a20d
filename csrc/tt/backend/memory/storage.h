#pragma once

#include <ATen/core/Tensor.h>

namespace moe::tt::backend {

// Gives a storage other bytes, of that number; those that fit stay the same.
void resize_storage(c10::StorageImpl& storage, size_t bytes);

// aten operators that give a tensor another size or storage.
const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> memory_format);
at::Tensor& set_storage_(
    at::Tensor& self, at::Storage source, int64_t storage_offset, at::IntArrayRef size, at::IntArrayRef stride);
at::Tensor& set_empty_(at::Tensor& self);

}  // namespace moe::tt::backend
