#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "tt/runtime/emulated/chip/dram.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::emulated {

class EmulatedEvent final : public Event {
 public:
  explicit EmulatedEvent(std::shared_ptr<const Dram> dram) : dram_(std::move(dram)) {}

  const void* owner() const override {
    return dram_.get();
  }

  uint64_t commands = 0;                                      // that have ended when the event has
  std::optional<std::chrono::steady_clock::time_point> time;  // of a timed one, once it has ended

 private:
  const std::shared_ptr<const Dram> dram_;
};

}  // namespace moe::tt::runtime::emulated
