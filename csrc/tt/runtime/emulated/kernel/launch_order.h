#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace moe::tt::runtime::emulated {

// Which of a launch's kernels knows of what the others did: vector clocks, which semaphores and circular buffers carry
// from kernel to kernel. A place is the address of one in the host's memory. Kernels are numbers.
class LaunchOrder {
 public:
  explicit LaunchOrder(uint32_t num_kernels);

  // Whoever acquires the place after this knows what the kernel has done so far.
  void release(uint32_t kernel, const void* place);
  void acquire(uint32_t kernel, const void* place);

  // As release(). Returns a kernel that set the semaphore, or incremented it, with no order between the two: one is
  // lost.
  std::optional<uint32_t> increment(uint32_t kernel, const void* semaphore, uint32_t by);
  std::optional<uint32_t> set(uint32_t kernel, const void* semaphore, uint32_t value);

  // The value that they have given a semaphore.
  uint32_t value(const void* semaphore, uint32_t initial) const;

  // The kernel writes bytes of DRAM, now.
  void write(uint32_t kernel, uint64_t address, uint32_t size);

  // Two kernels that wrote the same bytes with no order between the two.
  struct Conflict {
    uint32_t first;
    uint32_t second;
    uint64_t address;
    uint64_t size;
  };
  std::optional<Conflict> find_conflict() const;

 private:
  using Clock = std::vector<uint32_t>;  // for each kernel, what is known of it

  struct Place {
    Clock released;
    Clock incremented;
    std::optional<uint32_t> setter;
    uint32_t set_at = 0;
    std::optional<uint32_t> value;
    uint32_t added = 0;
  };
  struct Write {
    uint64_t begin;
    uint64_t end;
    uint32_t kernel;
    uint32_t at;         // of the kernel's own clock
    uint32_t knowledge;  // of the kernel
  };
  struct Kernel {
    Clock clock;
    std::vector<Clock> knowledge;  // clocks at the times of writes
    bool has_changed = true;       // since the last of those
    std::vector<Write> writes;
  };

  Place& place(const void* address);
  void release_locked(uint32_t kernel, Place& place);
  bool are_ordered(const Write& a, const Write& b) const;

  mutable std::mutex mutex_;  // of the places
  std::map<const void*, Place> places_;
  std::vector<Kernel> kernels_;
};

}  // namespace moe::tt::runtime::emulated
