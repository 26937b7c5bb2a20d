#include "tt/runtime/emulated/register_kernel.h"

#include "tt/kernels/permute.cpp"

MOE_TT_REGISTER_KERNEL(permute);
