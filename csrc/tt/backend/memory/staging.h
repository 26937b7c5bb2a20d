#pragma once

#include <ATen/core/Tensor.h>

namespace moe::tt::backend {

// A tt tensor's elements on the host, with its sizes and strides: a copy of the bytes from its first element to its
// last, whatever of them belongs to the tensor. It has its conjugate and negative bits as well.
at::Tensor download(const at::Tensor& tensor);

// The same without the device's bytes, to be written as a whole. Where the tensor leaves gaps between its elements,
// which must survive the upload, it has the device's bytes after all.
at::Tensor image_to_fill(const at::Tensor& tensor);

// Puts an image's bytes where they came from.
void upload(const at::Tensor& image, const at::Tensor& tensor);

// Whether `host`'s bytes as they are can be the tensor's.
bool has_same_layout(const at::Tensor& host, const at::Tensor& tensor);

// Straight from memory to memory, for tensors of the same layout.
void download_into(const at::Tensor& tensor, const at::Tensor& host);

}  // namespace moe::tt::backend
