// What a process is told of a chip that another one has open. There is no such chip, but the lock is TT-Metalium's own,
// taken as its driver takes it.

#include <csignal>
#include <cstdio>
#include <string>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <umd/device/utils/lock_manager.hpp>

#include "tt/runtime/metal/chip_lock.h"
#include "tt/runtime/runtime.h"

namespace {

constexpr int kChip = 9999;

void report(const char* when) {
  std::string said = "not in use";
  try {
    moe::tt::runtime::metal::require_chip_not_in_use(kChip, std::chrono::seconds(0));
  } catch (const moe::tt::runtime::DeviceError& error) {
    said = error.what();
  }
  std::printf("%s: %s\n", when, said.c_str());
}

}  // namespace

int main() {
  report("before");
  int ready[2];
  if (pipe(ready) != 0) {
    return 1;
  }
  const pid_t child = fork();
  tt::umd::LockManager locks;
  locks.initialize_mutex(tt::umd::MutexType::CHIP_IN_USE, kChip);
  if (child == 0) {
    const auto lock = locks.acquire_mutex(tt::umd::MutexType::CHIP_IN_USE, kChip);
    if (write(ready[1], "", 1) == 1) {
      pause();
    }
    _exit(1);
  }
  char byte;
  if (read(ready[0], &byte, 1) != 1) {
    return 1;
  }
  std::printf("%d\n", child);
  report("meanwhile");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  report("after its death");
  {
    const auto lock = locks.acquire_mutex(tt::umd::MutexType::CHIP_IN_USE, kChip);
    report("in the same process");
  }
  shm_unlink("TT_UMD_LOCK.CHIP_IN_USE_9999_PCIe");
}
