#include "tt/runtime/emulated/register_kernel.h"

#include "tt/kernels/prepare_routing_few.cpp"

MOE_TT_REGISTER_KERNEL(prepare_routing_few);
