// A kernel in a file of its own, registered as those in csrc/tt/kernels are.

#include "tt/runtime/emulated/register_kernel.h"

void kernel_main() {}

MOE_TT_REGISTER_KERNEL(nothing);
