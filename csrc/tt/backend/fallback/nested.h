#pragma once

namespace moe::tt::backend {

// Registers the kernels for strided nested tensors on tt: views and copies of their buffer; other operators run on the
// host. (A jagged nested tensor is made of plain ones and needs nothing.)
void register_nested();

}  // namespace moe::tt::backend
