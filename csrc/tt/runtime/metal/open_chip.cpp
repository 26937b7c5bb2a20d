#include "tt/runtime/metal/open_chip.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <tt-metalium/distributed.hpp>

namespace moe::tt::runtime::metal {
namespace {

// At the end nobody is left to be told, and the rest is still to be closed.
template <typename Call>
void regardless(const Call& call) noexcept {
  try {
    call();
  } catch (...) {
  }
}

// What TT-Metalium takes apart when a process exits waits for threads that a forked child has not: there the exit ends
// here. Registered after the first device is open, so that it runs before what TT-Metalium registered until then.
void leave_forked_children_early() {
  static const Process opener;
  [[maybe_unused]] static const int registered = on_exit(
      [](int status, void*) {
        if (!opener.is_current()) {
          std::fflush(nullptr);
          _exit(status);
        }
      },
      nullptr);
}

}  // namespace

OpenChip::OpenChip(uint32_t index, ChipMesh mesh) : index_(index), mesh_(std::move(mesh)) {
  leave_forked_children_early();
}

void OpenChip::register_resource(ChipResource* resource) {
  resources_.insert(resource);
}

void OpenChip::unregister_resource(ChipResource* resource) noexcept {
  if (!process_.is_current()) {
    resource->leak_after_fork();  // without the lock, which a thread of the parent may have held
    return;
  }
  const std::lock_guard lock(mutex_);
  if (resources_.erase(resource) > 0) {
    regardless([&] { resource->release(); });
  }
}

void OpenChip::close() noexcept {
  if (!process_.is_current()) {
    // The device is the parent's, and so is the thread that may have held the lock.
    mesh_.leak();
    return;
  }
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return;
  }
  closed_ = true;
  regardless([&] { metalium::distributed::Finish(mesh_.require()->mesh_command_queue()); });
  for (ChipResource* resource : resources_) {
    regardless([&] { resource->release(); });
  }
  resources_.clear();
  regardless([&] { mesh_.close(); });
}

}  // namespace moe::tt::runtime::metal
