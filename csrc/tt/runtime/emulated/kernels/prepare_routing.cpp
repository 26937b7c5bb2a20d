#include "tt/kernels/prepare_routing.cpp"

#include "tt/runtime/emulated/register_kernel.h"

MOE_TT_REGISTER_KERNEL(prepare_routing);
