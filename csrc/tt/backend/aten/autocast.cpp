#include <ATen/Operators.h>
#include <ATen/autocast_mode.h>

#include "tt/backend/aten/operators.h"

namespace moe::tt::backend {

#define MOE_TT_LOWER_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define MOE_TT_FP32(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define MOE_TT_FP32_SET_OPT_DTYPE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define MOE_TT_PROMOTE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)

void register_autocast(torch::Library& library) {
  auto& m = library;  // The macros use this name.
  AT_FORALL_LOWER_PRECISION_FP(MOE_TT_LOWER_PRECISION)
  AT_FORALL_FP32(MOE_TT_FP32)
  AT_FORALL_FP32_SET_OPT_DTYPE(MOE_TT_FP32_SET_OPT_DTYPE)
  AT_FORALL_PROMOTE(MOE_TT_PROMOTE)
}

}  // namespace moe::tt::backend
