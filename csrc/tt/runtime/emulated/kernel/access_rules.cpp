#include "tt/runtime/emulated/kernel/access_rules.h"

#include <algorithm>
#include <vector>

#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

const char* name_of_access(Access access) {
  switch (access) {
    case Access::kLoad:
      return "a load";
    case Access::kStore:
      return "a store";
    default:
      return "an access";
  }
}

bool loads(Access access) {
  return access == Access::kLoad || access == Access::kUpdate;
}

bool stores(Access access) {
  return access != Access::kLoad && access != Access::kPointer;
}

std::string describe_access(const L1Layout::Region& region, uint32_t address, uint32_t size, const char* what) {
  return str(what, " of ", size, " bytes at ", address, " in ", emulated::describe(region));
}

}  // namespace

void AccessRules::use(const L1Layout::Region& region, uint32_t address, uint32_t size, Access access) const {
  if (region.is_semaphore) {
    if (stores(access)) {
      kernel_.fail(
          str("expected noc_semaphore_set, got a plain store to semaphore ",
              region.index,
              ", which gets lost among others' increments"));
    }
    return;
  }
  check_queue(region, address, size, name_of_access(access));
  L1Shadow& shadow = this->shadow();
  const uint32_t other = shadow.find_other(kernel_.core(), address, size);
  if (other < size) {
    check_arrived(region, address, size, name_of_access(access));
    if (loads(access)) {
      const bool is_dram = shadow.state(kernel_.core(), address + other) == L1Shadow::kUnwrittenDram;
      kernel_.fail(
          str("expected bytes that something wrote, got ",
              describe_access(region, address, size, name_of_access(access)),
              is_dram ? ", which came from DRAM that nobody wrote" : ", which nobody has written in this launch"));
    }
    if (stores(access)) {
      shadow.set(kernel_.core(), address, size, L1Shadow::kWritten);
    }
  }
}

void AccessRules::check_queue(const L1Layout::Region& region, uint32_t address, uint32_t size, const char* what) const {
  const QueuePages& queue = queues_[region.index];
  if (!queue.is_queue) {
    return;
  }
  const L1Layout::Ring& ring = kernel_.layout().ring(region.index);
  const uint32_t last = (address + size - 1 - ring.address) / ring.page_size;
  for (uint32_t page = (address - ring.address) / ring.page_size; page <= last; ++page) {
    if (!queue.contains(page, ring.num_pages)) {
      kernel_.fail(
          str("expected cb_reserve_back or cb_wait_front, and no cb_push_back or cb_pop_front since, before ",
              describe_access(region, address, size, what),
              ": the kernel has no hold of page ",
              page));
    }
  }
}

void AccessRules::check_arrived(
    const L1Layout::Region& region, uint32_t address, uint32_t size, const char* what) const {
  for (uint32_t i = 0; i < size; ++i) {
    const L1Shadow::ByteState state = shadow().state(kernel_.core(), address + i);
    if (state == L1Shadow::kIncoming0 || state == L1Shadow::kIncoming1) {
      kernel_.fail(
          str("expected noc_async_read_barrier on noc ",
              state == L1Shadow::kIncoming0 ? 0 : 1,
              " before ",
              describe_access(region, address, size, what),
              ", which a read is to bring"));
    }
  }
}

bool AccessRules::is_tracked(const NodeMemory& memory) const {
  return memory.core && !memory.is_semaphore && kernel_.layout().at(static_cast<uint32_t>(memory.address)).size != 0;
}

void AccessRules::begin_read(uint32_t destination, uint32_t size, uint8_t noc) const {
  if (!on()) {
    return;
  }
  check_queue(kernel_.layout().at(destination), destination, size, "a read");
  shadow().set(kernel_.core(), destination, size, noc == 0 ? L1Shadow::kIncoming0 : L1Shadow::kIncoming1);
}

void AccessRules::end_read(const NodeMemory& source, const NodeMemory& destination, uint32_t size) const {
  if (!on()) {
    return;
  }
  const auto address = static_cast<uint32_t>(destination.address);
  if (!source.core) {
    shadow().restore(
        *destination.core, address, size, kernel_.launch().dram.written(source.memory), L1Shadow::kUnwrittenDram);
    return;
  }
  std::vector<uint8_t> written(size);
  save(source, size, written.data());
  shadow().restore(*destination.core, address, size, written.data(), L1Shadow::kUnwritten);
}

void AccessRules::begin_write(const NodeMemory& source, uint32_t size) const {
  if (!on() || !is_tracked(source)) {
    return;
  }
  const auto address = static_cast<uint32_t>(source.address);
  const L1Layout::Region& region = kernel_.layout().at(address);
  check_queue(region, address, size, "a write");
  if (shadow().find_other(kernel_.core(), address, size) < size) {
    check_arrived(region, address, size, "a write");
  }
}

void AccessRules::save(const NodeMemory& source, uint32_t size, uint8_t* written) const {
  if (is_tracked(source)) {
    shadow().save(*source.core, static_cast<uint32_t>(source.address), size, written);
  } else {
    std::fill_n(written, size, 1);
  }
}

void AccessRules::end_write(const NodeMemory& destination, uint32_t size, const uint8_t* written) const {
  if (!destination.core) {
    std::copy_n(written, size, kernel_.launch().dram.written(destination.memory));
  } else if (is_tracked(destination)) {
    shadow().restore(
        *destination.core, static_cast<uint32_t>(destination.address), size, written, L1Shadow::kUnwritten);
  }
}

}  // namespace moe::tt::runtime::emulated
