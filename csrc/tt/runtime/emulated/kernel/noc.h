#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/kernel/access_rules.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/runtime/emulated/kernel/node_memory.h"

namespace moe::tt::runtime::emulated {

// The two NoCs as one kernel uses them. A transfer is checked when it is issued and happens as late as the chip allows:
// the data of a read arrives at the barrier; a write takes its source when it is flushed and arrives at the barrier.
class NocInterface {
 public:
  static constexpr uint8_t kNumNocs = 2;

  // Whether the kernel promises that a transfer fits into a packet.
  enum class Packets { kOne, kAny };

  NocInterface(const KernelSite& kernel, const AccessRules& rules) : kernel_(kernel), rules_(rules) {}

  void read(uint64_t source, uint32_t destination, uint32_t size, uint8_t noc, Packets packets);
  void read_set_state(uint64_t source, uint32_t size, uint8_t noc);
  void read_with_state(uint32_t source, uint32_t destination, uint8_t noc);
  void read_barrier(uint8_t noc);

  void write(uint32_t source, uint64_t destination, uint32_t size, uint8_t noc, bool posted, Packets packets);
  void write_set_state(uint64_t destination, uint32_t size, uint8_t noc);
  void write_with_state(uint32_t source, uint32_t destination, uint8_t noc, bool posted);
  // The sender is not one of a multicast's receivers. A linked one keeps its path for the next one.
  void write_multicast(
      uint32_t source, uint64_t destination, uint32_t size, uint32_t num_destinations, bool linked, uint8_t noc);
  void writes_flushed(uint8_t noc);
  void posted_writes_flushed(uint8_t noc);
  void write_barrier(uint8_t noc);

  // Write a local semaphore's value to others. They leave the state of other transfers alone.
  void set_remote_semaphore(uint32_t source, uint64_t destination, uint8_t noc);
  void set_semaphore_multicast(
      uint32_t source, uint64_t destination, uint32_t num_destinations, bool linked, uint8_t noc);

  // Write by value: they read nothing of this core's L1 later.
  void write_word(uint64_t destination, uint32_t value, uint8_t byte_enable, uint8_t noc, bool posted);
  void increment(uint64_t destination, uint32_t by, uint8_t noc, bool posted);
  void increment_multicast(uint64_t destination, uint32_t by, uint32_t num_destinations, uint8_t noc, bool posted);
  void atomic_barrier(uint8_t noc);

  // Delivers the writes that were flushed.
  void deliver_sent();

  const DramTraffic& dram_traffic() const {
    return dram_traffic_;
  }

  // Throws DeviceError if transfers are outstanding.
  void check_idle() const;
  // " (with N write(s) that were not flushed)", or an empty string.
  std::string describe_outstanding() const;

 private:
  struct Read {
    NodeMemory source;
    NodeMemory destination;
    uint32_t size;
    uint8_t noc;
  };
  struct Write {
    NodeMemory source;
    NodeMemory destination;
    uint32_t size;
    uint8_t noc;
    bool posted;
    enum { kIssued, kSent, kArrived } progress = kIssued;
    size_t sent = 0;  // where in sent_ the bytes are, from kSent on; from the start where all checks are on
  };
  // The registers that "with_state" transfers reuse.
  struct State {
    uint64_t address;
    uint32_t size;
  };

  void check_issue(uint32_t size, uint8_t noc, Packets packets) const;
  NodeMemory local(uint32_t address, uint32_t size, const char* what) const;
  NodeMemory remote(uint64_t noc_address, uint32_t size, const char* what, bool to_write = true) const;
  NodeMemory on_core(uint32_t core, uint64_t address, uint32_t size, const char* what) const;
  // The firmware's zeros if a read asks for them. No transfer may write there.
  std::optional<NodeMemory> zeros(uint64_t noc_address, uint32_t size) const;
  std::vector<NodeMemory> multicast(uint64_t destination, uint32_t size, uint32_t num_destinations, uint8_t noc) const;
  void check_alignment(uint64_t source, uint64_t destination, uint32_t modulus, const char* what) const;
  void issue_write(const NodeMemory& source, const NodeMemory& destination, uint32_t size, uint8_t noc, bool posted);

  void take(Write& write);
  void check_unchanged(const Write& write);
  void send(Write& write);
  void deliver(Write& write);
  void forget_arrived(uint8_t noc, bool posted);
  void store(const NodeMemory& destination, const std::byte* source, uint32_t size);
  void load(const NodeMemory& source, std::byte* destination, uint32_t size) const;
  void add(const NodeMemory& destination, uint32_t by);

  uint32_t outstanding_reads(uint8_t noc) const;
  uint32_t outstanding_writes(uint8_t noc, bool posted) const;

  const KernelSite& kernel_;
  const AccessRules& rules_;
  std::vector<Read> reads_;
  std::vector<Write> writes_;
  std::vector<std::byte> sent_;
  std::vector<uint8_t> sent_written_;  // of those, as AccessRules::save() gives it
  bool linked_[kNumNocs] = {};         // whether the last multicast was
  std::optional<State> read_state_[kNumNocs];
  std::optional<State> write_state_[kNumNocs];
  uint32_t inline_writes_[kNumNocs] = {};
  uint32_t atomics_[kNumNocs] = {};
  DramTraffic dram_traffic_;
};

}  // namespace moe::tt::runtime::emulated
