#pragma once

#include <cstdint>
#include <memory>
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

  uint64_t commands = 0;  // that have ended when the event has

 private:
  const std::shared_ptr<const Dram> dram_;
};

}  // namespace moe::tt::runtime::emulated
