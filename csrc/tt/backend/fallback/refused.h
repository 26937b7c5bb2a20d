#pragma once

namespace moe::tt::backend {

// Makes every operator on a sparse or a quantized tt tensor, and so every way to make one, raise a short error. Such
// tensors have no memory of their own on tt that an operator could copy.
void refuse_other_layouts();

}  // namespace moe::tt::backend
