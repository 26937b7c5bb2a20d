#include "tt/runtime/emulated/kernel/noc.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "tt/runtime/emulated/chip/noc_address.h"
#include "tt/runtime/emulated/chip/poison.h"
#include "tt/runtime/emulated/kernel/kernel_site.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

constexpr uint32_t kWord = 4;

std::atomic_ref<uint32_t> semaphore_at(std::byte* memory) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(memory));
}

}  // namespace

void NocInterface::check_issue(uint32_t size, uint8_t noc, Packets packets) const {
  kernel_.check_aborted();
  if (noc >= kNumNocs) {
    kernel_.fail(str("expected noc 0 or 1, got ", uint32_t{noc}));
  }
  if (size == 0) {
    kernel_.fail("expected a transfer of one byte or more, got one of 0 bytes");
  }
  uint32_t burst = kernel_.launch().chip.noc_max_burst;
  if (packets == Packets::kOne && size > burst) {
    kernel_.fail(
        str("expected at most ", burst, " bytes, the chip's largest packet, in a one-packet transfer, got ", size));
  }
}

void NocInterface::check_alignment(uint64_t source, uint64_t destination, uint32_t modulus, const char* what) const {
  if (source % modulus != destination % modulus) {
    kernel_.fail(
        str("expected source and destination of a ",
            what,
            " to agree modulo ",
            modulus,
            ", got addresses ",
            source,
            " (",
            source % modulus,
            ") and ",
            destination,
            " (",
            destination % modulus,
            ")"));
  }
}

NodeMemory NocInterface::on_core(uint32_t core, uint64_t address, uint32_t size, const char* what) const {
  const L1Layout& layout = kernel_.launch().program.layout();
  const L1Layout::Region& region = layout.at(static_cast<uint32_t>(std::min<uint64_t>(address, UINT32_MAX)));
  if (!region.contains(address, size)) {
    auto [x, y] = kernel_.launch().chip.logical(core);
    kernel_.fail(
        str("expected ",
            what,
            " to stay inside one of the program's regions of L1 (",
            layout.describe(),
            "), got ",
            size,
            " bytes at ",
            address,
            " of core (",
            x,
            ", ",
            y,
            ")"));
  }
  if (region.is_semaphore && size != kWord) {
    kernel_.fail(str("expected ", what, " of a semaphore to have ", kWord, " bytes, got ", size));
  }
  return {kernel_.launch().worker_cores.l1(core) + address, core, address, region.is_semaphore};
}

NodeMemory NocInterface::local(uint32_t address, uint32_t size, const char* what) const {
  return on_core(kernel_.core(), address, size, what);
}

NodeMemory NocInterface::remote(uint64_t noc_address, uint32_t size, const char* what, bool to_write) const {
  if (is_noc_multicast(noc_address)) {
    kernel_.fail(str("expected ", what, " to be at one node, got a multicast address"));
  }
  const LaunchContext& launch = kernel_.launch();
  NocCoordinates node = noc_node(noc_address);
  uint64_t address = noc_local_address(noc_address);
  if (std::optional<uint32_t> bank = launch.chip.bank_at(node)) {
    try {
      return {launch.dram.at(*bank, address, size, to_write), std::nullopt, address, false};
    } catch (const DeviceError& error) {
      kernel_.fail(str(what, ": ", error.what()));
    }
  }
  std::optional<uint32_t> core = launch.chip.core_at(node);
  if (!core) {
    kernel_.fail(
        str("expected ",
            what,
            " to be at the NoC coordinates of a core or a DRAM bank, got (",
            node.x,
            ", ",
            node.y,
            "); pass NoC coordinates to a kernel, not logical ones"));
  }
  if (!launch.program.uses(*core)) {
    auto [x, y] = launch.chip.logical(*core);
    kernel_.fail(str("expected ", what, " to be on a core of the program, got core (", x, ", ", y, ")"));
  }
  return on_core(*core, address, size, what);
}

std::optional<NodeMemory> NocInterface::zeros(uint64_t noc_address, uint32_t size) const {
  const LaunchContext& launch = kernel_.launch();
  const uint64_t address = noc_local_address(noc_address);
  const std::optional<uint32_t> core = launch.chip.core_at(noc_node(noc_address));
  if (!core || address < launch.chip.l1_zeros || address + size > launch.chip.l1_zeros + kL1ZerosSize) {
    return std::nullopt;
  }
  return NodeMemory{launch.worker_cores.l1(*core) + address, core, address, false};
}

std::vector<NodeMemory> NocInterface::multicast(
    uint64_t destination, uint32_t size, uint32_t num_destinations, uint8_t noc) const {
  const LaunchContext& launch = kernel_.launch();
  NocCoordinates start = noc_multicast_start(destination);
  NocCoordinates end = noc_node(destination);
  if (noc == 1) {
    std::swap(start, end);  // NoC 1 runs in the opposite direction
  }
  if (start.x > end.x || start.y > end.y) {
    kernel_.fail(
        str("expected a multicast's rectangle on noc ",
            uint32_t{noc},
            noc == 0 ? " to start at its lowest coordinates" : " to start at its highest coordinates",
            ", got the start (",
            noc_multicast_start(destination).x,
            ", ",
            noc_multicast_start(destination).y,
            ") and the end (",
            noc_node(destination).x,
            ", ",
            noc_node(destination).y,
            ")"));
  }
  std::vector<NodeMemory> places;
  for (uint32_t core = 0; core < launch.chip.properties.num_cores(); ++core) {
    NocCoordinates node = launch.chip.noc(core);
    bool inside = node.x >= start.x && node.x <= end.x && node.y >= start.y && node.y <= end.y;
    if (inside && core != kernel_.core()) {
      places.push_back(
          remote(noc_address(node.x, node.y, noc_local_address(destination)), size, "the destination of a multicast"));
    }
  }
  if (places.empty() || places.size() != num_destinations) {
    kernel_.fail(
        str("expected a multicast's num_dests to be the number of cores in its rectangle but for the sender, one or "
            "more: ",
            places.size(),
            ", got ",
            num_destinations));
  }
  return places;
}

void NocInterface::store(const NodeMemory& destination, const std::byte* source, uint32_t size) {
  if (!destination.is_semaphore) {
    std::memcpy(destination.memory, source, size);
    return;
  }
  uint32_t value;
  std::memcpy(&value, source, kWord);
  kernel_.order_set(destination.memory, value);
  semaphore_at(destination.memory).store(value, std::memory_order_release);
  kernel_.launch().scheduler.signal(*destination.core);
}

void NocInterface::load(const NodeMemory& source, std::byte* destination, uint32_t size) const {
  if (!source.is_semaphore) {
    std::memcpy(destination, source.memory, size);
    return;
  }
  uint32_t value = semaphore_at(source.memory).load(std::memory_order_acquire);
  std::memcpy(destination, &value, kWord);
}

void NocInterface::add(const NodeMemory& destination, uint32_t by) {
  if (!destination.is_semaphore) {
    kernel_.fail(str("expected the address of a semaphore, got ", destination.address));
  }
  kernel_.order_increment(destination.memory, by);
  // Only release: on the chip a core learns nothing about other cores by incrementing.
  semaphore_at(destination.memory).fetch_add(by, std::memory_order_release);
  kernel_.launch().scheduler.signal(*destination.core);
}

// Reads.

void NocInterface::read(uint64_t source, uint32_t destination, uint32_t size, uint8_t noc, Packets packets) {
  check_issue(size, noc, packets);
  const std::optional<NodeMemory> zeros = this->zeros(source, size);
  NodeMemory from = zeros ? *zeros : remote(source, size, "the source of a read", /*to_write=*/false);
  NodeMemory to = local(destination, size, "the destination of a read");
  const Chip& chip = kernel_.launch().chip;
  if (from.core) {
    check_alignment(from.address, to.address, kL1Alignment, "read from L1");
  } else {
    check_alignment(from.address, to.address, chip.properties.dram_alignment, "read from DRAM");
    dram_traffic_.read += size;
  }
  if (to.is_semaphore) {
    kernel_.fail(str("expected the destination of a read to be no semaphore, got ", destination));
  }
  rules_.begin_read(destination, size, noc);
  poison(to.memory, size);
  reads_.push_back({from, to, size, noc});
  read_state_[noc].reset();  // a read uses the same registers
}

void NocInterface::read_set_state(uint64_t source, uint32_t size, uint8_t noc) {
  check_issue(size, noc, Packets::kOne);
  read_state_[noc] = State{source, size};
}

void NocInterface::read_with_state(uint32_t source, uint32_t destination, uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  std::optional<State> state = read_state_[noc];
  if (!state) {
    kernel_.fail(
        str("expected a set_state of a read on noc ",
            uint32_t{noc},
            " before a read with_state, and no other read between them"));
  }
  NocCoordinates node = noc_node(state->address);
  read(noc_address(node.x, node.y, source), destination, state->size, noc, Packets::kOne);
  read_state_[noc] = state;
}

void NocInterface::read_barrier(uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  std::erase_if(reads_, [&](const Read& read) {
    if (read.noc != noc) {
      return false;
    }
    load(read.source, read.destination.memory, read.size);
    rules_.end_read(read.source, read.destination, read.size);
    return true;
  });
}

// Writes.

void NocInterface::issue_write(
    const NodeMemory& source, const NodeMemory& destination, uint32_t size, uint8_t noc, bool posted) {
  check_alignment(
      source.address,
      destination.address,
      destination.core ? kL1Alignment : kDramWriteAlignment,
      destination.core ? "write to L1" : "write to DRAM");
  if (!destination.core) {
    dram_traffic_.written += size;
  }
  rules_.begin_write(source, size);
  writes_.push_back({source, destination, size, noc, posted});
  if (rules_.on()) {
    take(writes_.back());
  }
}

void NocInterface::write(
    uint32_t source, uint64_t destination, uint32_t size, uint8_t noc, bool posted, Packets packets) {
  check_issue(size, noc, packets);
  NodeMemory from = local(source, size, "the source of a write");
  issue_write(from, remote(destination, size, "the destination of a write"), size, noc, posted);
  write_state_[noc].reset();
}

void NocInterface::write_set_state(uint64_t destination, uint32_t size, uint8_t noc) {
  check_issue(size, noc, Packets::kOne);
  write_state_[noc] = State{destination, size};
}

void NocInterface::write_with_state(uint32_t source, uint32_t destination, uint8_t noc, bool posted) {
  check_issue(1, noc, Packets::kAny);
  std::optional<State> state = write_state_[noc];
  if (!state) {
    kernel_.fail(
        str("expected a set_state of a write on noc ",
            uint32_t{noc},
            " before a write with_state, and no other write between them"));
  }
  NocCoordinates node = noc_node(state->address);
  write(source, noc_address(node.x, node.y, destination), state->size, noc, posted, Packets::kOne);
  write_state_[noc] = state;
}

void NocInterface::write_multicast(
    uint32_t source, uint64_t destination, uint32_t size, uint32_t num_destinations, bool linked, uint8_t noc) {
  check_issue(size, noc, Packets::kAny);
  linked_[noc] = linked;
  NodeMemory from = local(source, size, "the source of a multicast");
  for (const NodeMemory& to : multicast(destination, size, num_destinations, noc)) {
    issue_write(from, to, size, noc, false);
  }
  write_state_[noc].reset();
}

void NocInterface::set_remote_semaphore(uint32_t source, uint64_t destination, uint8_t noc) {
  check_issue(kWord, noc, Packets::kOne);
  NodeMemory from = local(source, kWord, "the source of a write");
  issue_write(from, remote(destination, kWord, "the destination of a write"), kWord, noc, false);
}

void NocInterface::set_semaphore_multicast(
    uint32_t source, uint64_t destination, uint32_t num_destinations, bool linked, uint8_t noc) {
  check_issue(kWord, noc, Packets::kOne);
  linked_[noc] = linked;
  NodeMemory from = local(source, kWord, "the source of a multicast");
  for (const NodeMemory& to : multicast(destination, kWord, num_destinations, noc)) {
    issue_write(from, to, kWord, noc, false);
  }
}

void NocInterface::take(Write& write) {
  write.sent = sent_.size();
  sent_.resize(write.sent + write.size);
  load(write.source, sent_.data() + write.sent, write.size);
  if (rules_.on()) {
    sent_written_.resize(sent_.size());
    rules_.save(write.source, write.size, sent_written_.data() + write.sent);
  }
}

void NocInterface::check_unchanged(const Write& write) {
  std::vector<std::byte> now(write.size);
  load(write.source, now.data(), write.size);
  if (!std::equal(now.begin(), now.end(), sent_.begin() + static_cast<std::ptrdiff_t>(write.sent))) {
    kernel_.fail(
        str("expected the source of a write to stay as it is until ",
            write.posted ? "noc_async_posted_writes_flushed" : "noc_async_writes_flushed or a barrier",
            ", but some of the ",
            write.size,
            " bytes at ",
            write.source.address,
            " changed before it"));
  }
}

void NocInterface::send(Write& write) {
  if (write.progress == Write::kIssued) {
    if (rules_.on()) {
      check_unchanged(write);
    } else {
      take(write);
    }
    write.progress = Write::kSent;
  }
}

void NocInterface::deliver(Write& write) {
  if (write.progress == Write::kArrived) {
    return;
  }
  if (write.progress == Write::kIssued && !write.source.is_semaphore && !rules_.on()) {
    store(write.destination, write.source.memory, write.size);
  } else {
    send(write);
    store(write.destination, sent_.data() + write.sent, write.size);
  }
  if (rules_.on()) {
    rules_.end_write(write.destination, write.size, sent_written_.data() + write.sent);
    if (!write.destination.core) {
      const LaunchContext& launch = kernel_.launch();
      launch.order->write(kernel_.number(), launch.dram.place(write.destination.memory), write.size);
    }
  }
  write.progress = Write::kArrived;
}

void NocInterface::forget_arrived(uint8_t noc, bool posted) {
  std::erase_if(writes_, [&](const Write& write) {
    return write.noc == noc && write.posted == posted && write.progress == Write::kArrived;
  });
  if (writes_.empty()) {
    sent_.clear();
    sent_written_.clear();
  }
}

void NocInterface::writes_flushed(uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  for (Write& write : writes_) {
    if (write.noc == noc && !write.posted) {
      send(write);
    }
  }
}

void NocInterface::posted_writes_flushed(uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  for (Write& write : writes_) {
    if (write.noc == noc && write.posted) {
      deliver(write);  // nothing tells the kernel when a posted write arrives
    }
  }
  forget_arrived(noc, true);
}

void NocInterface::write_barrier(uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  for (Write& write : writes_) {
    if (write.noc == noc && !write.posted) {
      deliver(write);
    }
  }
  forget_arrived(noc, false);
  inline_writes_[noc] = 0;
}

void NocInterface::deliver_sent() {
  for (Write& write : writes_) {
    if (write.progress == Write::kSent) {
      deliver(write);
    }
  }
}

// By value.

void NocInterface::write_word(uint64_t destination, uint32_t value, uint8_t byte_enable, uint8_t noc, bool posted) {
  check_issue(kWord, noc, Packets::kOne);
  if (byte_enable != 0xF) {
    kernel_.fail(str("expected an inline write of all 4 bytes (be = 15), got be = ", uint32_t{byte_enable}));
  }
  NodeMemory to = remote(destination, kWord, "the destination of an inline write");
  if (!to.core) {
    kernel_.fail("expected the destination of an inline write in L1, got one in DRAM");
  }
  if (to.address % kWord != 0) {
    kernel_.fail(str("expected an inline write to an address aligned to 4 bytes, got ", to.address));
  }
  std::byte bytes[kWord];
  std::memcpy(bytes, &value, kWord);
  store(to, bytes, kWord);
  if (rules_.on()) {
    constexpr uint8_t kAllWritten[kWord] = {1, 1, 1, 1};
    rules_.end_write(to, kWord, kAllWritten);
  }
  inline_writes_[noc] += !posted;
}

void NocInterface::increment(uint64_t destination, uint32_t by, uint8_t noc, bool posted) {
  check_issue(kWord, noc, Packets::kOne);
  add(remote(destination, kWord, "the destination of an increment"), by);
  atomics_[noc] += !posted;
}

void NocInterface::increment_multicast(
    uint64_t destination, uint32_t by, uint32_t num_destinations, uint8_t noc, bool posted) {
  check_issue(kWord, noc, Packets::kOne);
  for (const NodeMemory& to : multicast(destination, kWord, num_destinations, noc)) {
    add(to, by);
    atomics_[noc] += !posted;
  }
}

void NocInterface::atomic_barrier(uint8_t noc) {
  check_issue(1, noc, Packets::kAny);
  atomics_[noc] = 0;
}

// What is outstanding.

uint32_t NocInterface::outstanding_reads(uint8_t noc) const {
  return static_cast<uint32_t>(std::ranges::count(reads_, noc, &Read::noc));
}

uint32_t NocInterface::outstanding_writes(uint8_t noc, bool posted) const {
  return static_cast<uint32_t>(
      std::ranges::count_if(writes_, [&](const Write& write) { return write.noc == noc && write.posted == posted; }));
}

void NocInterface::check_idle() const {
  for (uint8_t noc = 0; noc < kNumNocs; ++noc) {
    auto check = [&](uint32_t outstanding, const char* what, const char* barrier) {
      if (outstanding > 0) {
        kernel_.fail(
            str("ended with ",
                outstanding,
                " ",
                what,
                " outstanding on noc ",
                uint32_t{noc},
                "; expected ",
                barrier,
                " before the end"));
      }
    };
    check(outstanding_reads(noc), "read(s)", "noc_async_read_barrier");
    check(outstanding_writes(noc, false) + inline_writes_[noc], "write(s)", "noc_async_write_barrier");
    check(outstanding_writes(noc, true), "posted write(s)", "noc_async_posted_writes_flushed");
    check(atomics_[noc], "atomic(s)", "noc_async_atomic_barrier");
    check(linked_[noc], "linked multicast(s)", "a multicast that is not linked, and keeps the path no longer,");
  }
}

std::string NocInterface::describe_outstanding() const {
  auto not_sent = std::ranges::count(writes_, Write::kIssued, &Write::progress);
  return not_sent == 0 ? "" : str(" (with ", not_sent, " write(s) that were not flushed)");
}

}  // namespace moe::tt::runtime::emulated
