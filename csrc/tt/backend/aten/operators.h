#pragma once

// The operators of aten that tt has kernels for, besides PyTorch's own views. register.cpp registers them.

#include <optional>

#include <ATen/core/Tensor.h>
#include <torch/library.h>

namespace moe::tt::backend {

// factories.cpp: tensors of undefined values.
at::Tensor empty_memory_format(
    at::IntArrayRef size,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout> layout,
    std::optional<at::Device> device,
    std::optional<bool> pin_memory,
    std::optional<at::MemoryFormat> memory_format);
at::Tensor empty_strided(
    at::IntArrayRef size,
    at::IntArrayRef stride,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout> layout,
    std::optional<at::Device> device,
    std::optional<bool> pin_memory);

// resize.cpp: another size or storage for a tensor.
const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> memory_format);
at::Tensor& set_storage_(
    at::Tensor& self, at::Storage source, int64_t storage_offset, at::IntArrayRef size, at::IntArrayRef stride);
at::Tensor& set_empty_(at::Tensor& self);
// Gives a storage `bytes` new bytes and copies the old ones, as far as they fit.
void resize_storage(c10::StorageImpl& storage, size_t bytes);

// set_data.cpp: whether `self.data = from` is allowed. Module.to() keeps its parameters where it is.
bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from);

// copy.cpp: values between tensors.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool non_blocking);
at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst);

// fill.cpp: one value in every element.
at::Tensor& fill_scalar_(at::Tensor& self, const at::Scalar& value);
at::Tensor& fill_tensor_(at::Tensor& self, const at::Tensor& value);
at::Tensor& zero_(at::Tensor& self);

// scalar.cpp: Tensor.item().
at::Scalar local_scalar_dense(const at::Tensor& self);

// autocast.cpp: the casts of torch.autocast("tt"), from PyTorch's lists for accelerators. The library is one of
// AutocastPrivateUse1.
void register_autocast(torch::Library& library);

}  // namespace moe::tt::backend
