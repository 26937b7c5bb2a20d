#include "tt/backend/fallback/refused.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "tt/backend/library.h"

namespace moe::tt::backend {
namespace {

void refuse_sparse(const c10::OperatorHandle& op, torch::jit::Stack* /*stack*/) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      false,
      op.operator_name(),
      ": expected torch.strided tensors on tt, which has no sparse ones. Keep it on the CPU, or call to_dense() first");
}

void refuse_quantized(const c10::OperatorHandle& op, torch::jit::Stack* /*stack*/) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      false,
      op.operator_name(),
      ": expected tensors on tt that are not quantized, which it does not have. Keep it on the CPU, or call "
      "dequantize() first");
}

}  // namespace

void refuse_other_layouts() {
  using c10::DispatchKey;
  using torch::CppFunction;
  for (const auto key : {DispatchKey::SparsePrivateUse1, DispatchKey::SparseCsrPrivateUse1}) {
    implement("_", key).fallback(CppFunction::makeFromBoxedFunction<&refuse_sparse>());
  }
  implement("_", DispatchKey::QuantizedPrivateUse1).fallback(CppFunction::makeFromBoxedFunction<&refuse_quantized>());

  // PyTorch has kernels for every device that make compressed sparse tensors. With a layout among the arguments the key
  // is that of the result, without one that of the strided tensors it is made of.
  auto& strided = implement("aten", DispatchKey::PrivateUse1);
  auto& compressed = implement("aten", DispatchKey::SparseCsrPrivateUse1);
  for (const char* name : {
           "sparse_compressed_tensor.comp_plain_value",
           "sparse_compressed_tensor.comp_plain_value_size",
           "sparse_csr_tensor.crow_col_value",
           "sparse_csr_tensor.crow_col_value_size",
           "sparse_csc_tensor.ccol_row_value",
           "sparse_csc_tensor.ccol_row_value_size",
           "sparse_bsr_tensor.crow_col_value",
           "sparse_bsr_tensor.crow_col_value_size",
           "sparse_bsc_tensor.ccol_row_value",
           "sparse_bsc_tensor.ccol_row_value_size",
           "_sparse_compressed_tensor_unsafe",
           "_sparse_csr_tensor_unsafe",
           "_sparse_csc_tensor_unsafe",
           "_sparse_bsr_tensor_unsafe",
           "_sparse_bsc_tensor_unsafe",
       }) {
    strided.impl(name, CppFunction::makeFromBoxedFunction<&refuse_sparse>());
    compressed.impl(name, CppFunction::makeFromBoxedFunction<&refuse_sparse>());
  }
  for (const char* name : {"_to_copy", "zeros"}) {
    compressed.impl(name, CppFunction::makeFromBoxedFunction<&refuse_sparse>());
  }
}

}  // namespace moe::tt::backend
