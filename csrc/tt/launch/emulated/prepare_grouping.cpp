#include "tt/runtime/emulated/register_kernel.h"

#include "tt/kernels/prepare_grouping.cpp"

MOE_TT_REGISTER_KERNEL(prepare_grouping);
