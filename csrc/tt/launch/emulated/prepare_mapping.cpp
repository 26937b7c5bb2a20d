#include "tt/runtime/emulated/register_kernel.h"

#include "tt/kernels/prepare_mapping.cpp"

MOE_TT_REGISTER_KERNEL(prepare_mapping);
