#include "tt/backend/device/interrupts.h"

#include <atomic>

namespace moe::tt::backend {
namespace {

std::atomic<WaitForUser> with_python = nullptr;

}  // namespace

void wait_for_user(const Wait& wait) {
  if (const auto wait_with_python = with_python.load()) {
    wait_with_python(wait);
  } else {
    wait(nullptr);
  }
}

void set_wait_for_user(WaitForUser wait) noexcept {
  with_python = wait;
}

}  // namespace moe::tt::backend
