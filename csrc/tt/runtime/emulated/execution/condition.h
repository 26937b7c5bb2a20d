#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "tt/runtime/emulated/chip/worker_cores.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

// The condition that a kernel waits for.
class Condition {
 public:
  static Condition semaphore_equal(uint32_t id, uint32_t* word, uint32_t value) {
    Condition condition(Kind::kSemaphoreEqual, id, value);
    condition.word_ = word;
    return condition;
  }
  static Condition semaphore_at_least(uint32_t id, uint32_t* word, uint32_t value) {
    Condition condition(Kind::kSemaphoreAtLeast, id, value);
    condition.word_ = word;
    return condition;
  }
  static Condition pages_available(uint32_t index, const CircularBufferCounters& counters, uint32_t pages) {
    Condition condition(Kind::kPagesAvailable, index, pages);
    condition.counters_ = &counters;
    return condition;
  }
  static Condition pages_free(
      uint32_t index, const CircularBufferCounters& counters, uint32_t capacity, uint32_t pages) {
    Condition condition(Kind::kPagesFree, index, pages);
    condition.counters_ = &counters;
    condition.capacity_ = capacity;
    return condition;
  }

  // The present value. It is read with acquire: what its writer wrote before is visible after this.
  uint32_t now() const {
    switch (kind_) {
      case Kind::kSemaphoreEqual:
      case Kind::kSemaphoreAtLeast:
        return std::atomic_ref<uint32_t>(*word_).load(std::memory_order_acquire);
      case Kind::kPagesAvailable:
        return counters_->received.load(std::memory_order_acquire) - counters_->acked.load(std::memory_order_relaxed);
      case Kind::kPagesFree:
        return capacity_ -
               (counters_->received.load(std::memory_order_relaxed) - counters_->acked.load(std::memory_order_acquire));
    }
    return 0;
  }

  // What others change for it to hold.
  const void* place() const {
    switch (kind_) {
      case Kind::kSemaphoreEqual:
      case Kind::kSemaphoreAtLeast:
        return word_;
      case Kind::kPagesAvailable:
        return &counters_->received;
      case Kind::kPagesFree:
        return &counters_->acked;
    }
    return nullptr;
  }

  bool holds() const {
    return kind_ == Kind::kSemaphoreEqual ? now() == wanted_ : now() >= wanted_;
  }

  std::string describe() const {
    switch (kind_) {
      case Kind::kSemaphoreEqual:
        return str("semaphore ", id_, " to be ", wanted_, ", it is ", now());
      case Kind::kSemaphoreAtLeast:
        return str("semaphore ", id_, " to be at least ", wanted_, ", it is ", now());
      case Kind::kPagesAvailable:
        return str(wanted_, " pages in circular buffer ", id_, ", there are ", now());
      case Kind::kPagesFree:
        return str(wanted_, " free pages in circular buffer ", id_, ", there are ", now());
    }
    return "";
  }

 private:
  enum class Kind { kSemaphoreEqual, kSemaphoreAtLeast, kPagesAvailable, kPagesFree };

  Condition(Kind kind, uint32_t id, uint32_t wanted) : kind_(kind), id_(id), wanted_(wanted) {}

  Kind kind_;
  uint32_t id_;
  uint32_t wanted_;
  uint32_t* word_ = nullptr;
  const CircularBufferCounters* counters_ = nullptr;
  uint32_t capacity_ = 0;
};

}  // namespace moe::tt::runtime::emulated
