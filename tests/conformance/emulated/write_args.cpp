#include "tt/runtime/emulated/register_kernel.h"

#include "kernels/write_args.cpp"

MOE_TT_REGISTER_KERNEL(write_args);
