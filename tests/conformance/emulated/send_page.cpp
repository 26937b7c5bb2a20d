#include "tt/runtime/emulated/register_kernel.h"

#include "kernels/send_page.cpp"

MOE_TT_REGISTER_KERNEL(send_page);
