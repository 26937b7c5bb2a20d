#include "tt/runtime/emulated/kernel/l1_shadow.h"

#include <algorithm>
#include <cstring>

namespace moe::tt::runtime::emulated {

L1Shadow::L1Shadow(const Chip& chip)
    : l1_size_(chip.properties.l1_size), memory_(uint64_t{l1_size_} * chip.properties.num_cores()) {}

void L1Shadow::begin_launch() {
  if (++launch_ == kLaunches) {
    memory_.clear();
    launch_ = 1;
  }
}

uint32_t L1Shadow::find_other(uint32_t core, uint32_t address, uint32_t size) const {
  const uint8_t* const begin = at(core, address);
  const uint8_t written = shadow(kWritten);
  if (size == sizeof(uint32_t)) {  // most accesses
    uint32_t four;
    std::memcpy(&four, begin, sizeof(four));
    if (four == written * 0x01010101u) {
      return size;
    }
  }
  return static_cast<uint32_t>(
      std::find_if(begin, begin + size, [&](uint8_t byte) { return byte != written; }) - begin);
}

L1Shadow::ByteState L1Shadow::state(uint32_t core, uint32_t address) const {
  const uint8_t byte = *at(core, address);
  return byte >> kStateBits == launch_ ? static_cast<ByteState>(byte & ((1 << kStateBits) - 1)) : kUnwritten;
}

void L1Shadow::set(uint32_t core, uint32_t address, uint32_t size, ByteState state) {
  std::memset(at(core, address), shadow(state), size);
}

void L1Shadow::save(uint32_t core, uint32_t address, uint32_t size, uint8_t* written) const {
  const uint8_t* const begin = at(core, address);
  for (uint32_t i = 0; i < size; ++i) {
    written[i] = begin[i] == shadow(kWritten);
  }
}

void L1Shadow::restore(uint32_t core, uint32_t address, uint32_t size, const uint8_t* written, ByteState otherwise) {
  uint8_t* const begin = at(core, address);
  for (uint32_t i = 0; i < size; ++i) {
    begin[i] = written[i] != 0 ? shadow(kWritten) : shadow(otherwise);
  }
}

}  // namespace moe::tt::runtime::emulated
