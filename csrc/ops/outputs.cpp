#include "ops/outputs.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>

#include "ops/arguments.h"

namespace moe {

at::Tensor empty_output(const char* op, c10::SymIntArrayRef sizes, at::ScalarType dtype, const at::Tensor& like) {
  TORCH_CHECK(
      product_fits(sizes, kMaxBytes / c10::elementSize(dtype)),
      op,
      ": expected sizes whose output fits in 2^63 - 1 bytes, got one of shape ",
      sizes,
      " and dtype ",
      dtype);
  // The dispatcher takes as long as the allocation. It would also fill the memory where deterministic algorithms are
  // asked for, although every element will be written.
  if (like.is_cpu()) {
    return at::detail::empty_cpu(C10_AS_INTARRAYREF_SLOW(sizes), dtype);
  }
  return at::empty_symint(sizes, like.options().dtype(dtype));
}

}  // namespace moe
