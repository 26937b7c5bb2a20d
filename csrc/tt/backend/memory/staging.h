#pragma once

#include <ATen/core/Tensor.h>

namespace moe::tt::backend {

// A staging tensor is a CPU tensor that stands for a tt tensor during a copy. It has the tt tensor's sizes, strides and
// conjugate and negative bits, and room for the bytes from its first element to its last, gaps included.

// Waits, as a user asked for it, for what may write a tt tensor. Belongs before it is copied to the host for a user.
void wait_for(const at::Tensor& tensor);

// A new staging tensor with the tt tensor's bytes. Waits for them.
at::Tensor copy_to_host(const at::Tensor& tensor);

// A new staging tensor, every element of which the caller writes before copy_to_device(). Its bytes are undefined
// unless there are gaps between the elements: these keep the device's bytes.
at::Tensor staging_for_overwrite(const at::Tensor& tensor);

// Writes a staging tensor's bytes to the tt tensor. Returns as soon as they are taken.
void copy_to_device(const at::Tensor& staging, const at::Tensor& tensor);

// Whether a CPU tensor can be the tt tensor's staging tensor and has no gaps: then its own bytes are copied.
bool has_same_layout(const at::Tensor& host, const at::Tensor& tensor);

// Copies the tt tensor's bytes into a CPU tensor of the same layout. Waits for them.
void copy_to_host(const at::Tensor& tensor, const at::Tensor& host);

}  // namespace moe::tt::backend
