#include "tt/backend/memory/address_range.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include <c10/util/Exception.h>

namespace moe::tt::backend {

AddressRange::AddressRange(uint64_t size) : size_(size) {
  void* mapped = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TORCH_CHECK(
      mapped != MAP_FAILED,
      "could not reserve ",
      size,
      " bytes of address space, which stand for the memory of a tt device: ",
      std::strerror(errno),
      ". Nothing is stored there; a limit on this process's virtual memory (ulimit -v) must leave room for it");
  begin_ = static_cast<std::byte*>(mapped);
}

AddressRange::~AddressRange() {
  munmap(begin_, size_);
}

}  // namespace moe::tt::backend
