#include "tt/runtime/emulated/chip/anonymous_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "tt/runtime/runtime.h"
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

AnonymousMemory::~AnonymousMemory() {
  munmap(data_, size_);
}

}  // namespace moe::tt::runtime::emulated
