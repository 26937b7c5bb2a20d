#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <tt-metalium/mesh_event.hpp>

#include "tt/runtime/metal/open_chip.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::runtime::metal {

class MetalEvent final : public Event {
 public:
  explicit MetalEvent(std::shared_ptr<OpenChip> chip) : chip_(std::move(chip)) {}

  const void* owner() const override {
    return chip_.get();
  }

  uint64_t enqueued = 0;                                  // before it: writes and launches
  std::optional<metalium::distributed::MeshEvent> place;  // none if everything before it has ended already
  const std::chrono::steady_clock::time_point recorded = std::chrono::steady_clock::now();

 private:
  const std::shared_ptr<OpenChip> chip_;
};

}  // namespace moe::tt::runtime::metal
