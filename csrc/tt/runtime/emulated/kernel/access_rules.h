#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/l1_shadow.h"
#include "tt/runtime/emulated/kernel/node_memory.h"
#include "tt/runtime/emulated/kernel/queue_pages.h"

namespace moe::tt::runtime::emulated {

// What a kernel does with bytes of L1.
enum class Access : uint8_t {
  kLoad,
  kStore,
  kUpdate,   // a load, then a store
  kTouch,    // of a class: a load or a store, of some of it
  kPointer,  // nobody knows
};

// The rules about what bytes hold when a kernel uses them: that a read has brought them, that something wrote them,
// that they are the kernel's to use. Nothing is checked, and nothing is known, unless all checks are on.
class AccessRules {
 public:
  // `queues` has the kernel's circular buffers by their index.
  AccessRules(const KernelSite& kernel, std::span<const QueuePages> queues) : kernel_(kernel), queues_(queues) {}

  bool on() const {
    return kernel_.launch().l1_shadow != nullptr;
  }

  // The kernel's processor uses bytes of a region. Throws.
  void use(const L1Layout::Region& region, uint32_t address, uint32_t size, Access access) const;

  // A read on a NoC will bring bytes, and has brought them. Throw.
  void begin_read(uint32_t destination, uint32_t size, uint8_t noc) const;
  void end_read(const NodeMemory& source, const NodeMemory& destination, uint32_t size) const;

  // A write will take bytes, throws; which of them were written; a write has brought them.
  void begin_write(const NodeMemory& source, uint32_t size) const;
  void save(const NodeMemory& source, uint32_t size, uint8_t* written) const;
  void end_write(const NodeMemory& destination, uint32_t size, const uint8_t* written) const;

 private:
  L1Shadow& shadow() const {
    return *kernel_.launch().l1_shadow;
  }
  // Semaphores, and the firmware's zeros, are always written.
  bool is_tracked(const NodeMemory& memory) const;
  void check_queue(const L1Layout::Region& region, uint32_t address, uint32_t size, const char* what) const;
  void check_arrived(const L1Layout::Region& region, uint32_t address, uint32_t size, const char* what) const;

  const KernelSite& kernel_;
  const std::span<const QueuePages> queues_;
};

}  // namespace moe::tt::runtime::emulated
