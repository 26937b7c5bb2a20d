#include "tt/runtime/emulated/chip/anonymous_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tt/runtime/runtime.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

AnonymousMemory::AnonymousMemory(uint64_t size) : size_(size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    throw DeviceError(
        str("the emulated device could not map ",
            size,
            " bytes of address space (",
            std::strerror(errno),
            "); raise the limit on virtual memory, or lower TORCH_TT_EMULATED_DRAM_SIZE"));
  }
  data_ = static_cast<std::byte*>(address);
}

void AnonymousMemory::clear(uint64_t offset, uint64_t size) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t end = offset + size;
  const uint64_t first_page = std::min(round_up(offset, page), end);
  const uint64_t last_page = std::max(end / page * page, first_page);
  std::memset(data_ + offset, 0, first_page - offset);
  if (last_page > first_page && madvise(data_ + first_page, last_page - first_page, MADV_DONTNEED) != 0) {
    std::memset(data_ + first_page, 0, last_page - first_page);
  }
  std::memset(data_ + last_page, 0, end - last_page);
}

AnonymousMemory::~AnonymousMemory() {
  munmap(data_, size_);
}

}  // namespace moe::tt::runtime::emulated
