#pragma once

#include <atomic>

#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

// Adds up the bytes that kernels move to and from DRAM. Any thread may call it.
class TrafficCounter {
 public:
  void add(const DramTraffic& traffic) {
    read_.fetch_add(traffic.read, std::memory_order_relaxed);
    written_.fetch_add(traffic.written, std::memory_order_relaxed);
  }

  DramTraffic total() const {
    return {read_.load(std::memory_order_relaxed), written_.load(std::memory_order_relaxed)};
  }

 private:
  std::atomic<uint64_t> read_ = 0;
  std::atomic<uint64_t> written_ = 0;
};

}  // namespace moe::tt::runtime::emulated
