#include "tt/runtime/emulated/register_kernel.h"

#include "kernels/receive_page.cpp"

MOE_TT_REGISTER_KERNEL(receive_page);
