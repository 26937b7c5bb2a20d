// Another kernel_main(), beside that of nothing.cpp.

#include <stdexcept>

#include "tt/runtime/emulated/register_kernel.h"

void kernel_main() {
  throw std::runtime_error("surprise");
}

MOE_TT_REGISTER_KERNEL(throw_an_exception);
