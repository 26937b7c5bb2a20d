#include "tt/runtime/emulated/register_kernel.h"

#include "kernels/nothing.cpp"

MOE_TT_REGISTER_KERNEL(nothing);
