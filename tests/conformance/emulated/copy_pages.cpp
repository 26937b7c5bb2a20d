#include "tt/runtime/emulated/register_kernel.h"

#include "kernels/copy_pages.cpp"

MOE_TT_REGISTER_KERNEL(copy_pages);
