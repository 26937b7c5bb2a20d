#include "tt/backend/device/fork.h"

#include <pthread.h>

#include <atomic>
#include <mutex>

#include <c10/util/Exception.h>

namespace moe::tt::backend {
namespace {

std::atomic<bool> forked = false;

}  // namespace

void watch_for_fork() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { forked = true; }); });
}

bool in_bad_fork() noexcept {
  return forked;
}

void check_not_forked() {
  TORCH_CHECK(
      !in_bad_fork(),
      "Cannot use tt devices in a forked subprocess whose parent had opened one. To use tt with multiprocessing, you "
      "must use the 'spawn' start method");
}

}  // namespace moe::tt::backend
