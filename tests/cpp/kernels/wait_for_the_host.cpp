// A launch that is under way until the host lets it end: kernels run in this process.

#include <atomic>

#include "tt/runtime/emulated/register_kernel.h"

namespace testing {

std::atomic<bool> may_end = false;

}  // namespace testing

void kernel_main() {
  testing::may_end.wait(false);
}

MOE_TT_REGISTER_KERNEL(wait_for_the_host);
