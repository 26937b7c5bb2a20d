#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "export.h"

namespace moe::tt::backend {

// A contiguous tensor on memory that other code, as ttnn, has allocated on a chip that it lends: rows of `page_size`
// bytes in interleaved DRAM, from `address` on in every bank. `lender` keeps it allocated, and is let go of with the
// tensor's storage.
MOE_API at::Tensor borrow_memory(
    c10::DeviceIndex index,
    uint32_t address,
    uint32_t page_size,
    at::IntArrayRef sizes,
    at::ScalarType dtype,
    std::shared_ptr<void> lender);

// The lender of the memory that the tensor's storage is; null if it is the device's own.
MOE_API std::shared_ptr<void> lender_of(const at::Tensor& tensor);

// Lets go of every lender, for the interpreter is exiting: using their memory throws from then on.
MOE_API void return_borrowed_memory();

}  // namespace moe::tt::backend
