#pragma once

// The operators as launches on a device: bytes in, bytes out, no torch.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "tt/kernels/common/protocol.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

using namespace kernels;

using Span = runtime::BufferSpan;

// The router's choices, checked, contiguous.
struct Choices {
  Span ids;
  uint32_t id_bytes;  // 2, 4 or 8
  bool ids_signed;
  Span weights;
  uint32_t weight_bytes;  // 2 or 4
  uint32_t num_tokens;
  uint32_t num_choices;
  uint32_t num_experts;
};

// An id out of range that a launch met.
struct IdFault {
  const char* op;
  int64_t position;
  int64_t num_choices;
  int64_t id;
  int64_t num_experts;
  bool more;  // another call after this one met such ids too
};

// The launches of one device. Programs are kept: they depend on dtypes and the number of cores, not on shapes.
class Launcher {
 public:
  // Bytes of device memory in which kernels report ids out of range.
  static uint64_t fault_bytes(const runtime::DeviceProperties& properties);

  Launcher(runtime::Device& device, Span faults);

  // (num_tokens, num_experts) weights.
  void prepare_mapping(const char* op, const Choices& choices, const Span& mapping);

  // The counts of all rows, padding rows among them, and their tokens and weights. There must be choices.
  void prepare_routing(
      const char* op, const Choices& choices, const Span& counts, const Span& tokens, const Span& weights);

  // Programs built so far.
  size_t num_programs() const {
    return programs_.size();
  }

  // The first id out of range since the last call, once everything launched has ended; waits for that.
  std::optional<IdFault> take_fault();

 private:
  struct Call {
    const char* op;
    uint32_t num_choices;
    uint32_t num_experts;
    uint32_t id_bytes;
    bool ids_signed;
  };

  static int64_t id_value(const Call& call, const FaultRecord& record);

  FaultArgs new_call(const char* op, const Choices& choices);
  void clear_faults();
  std::vector<FaultRecord> read_faults();
  void forget_calls(uint32_t last);
  std::shared_ptr<runtime::Program> program(
      const std::string& kernel,
      const Choices& choices,
      uint32_t num_cores,
      uint32_t num_semaphores,
      std::span<const uint32_t> circular_buffers);

  // A core's L1 is divided between its workers; in a routing launch they share half of it.
  uint32_t routing_arena_bytes() const {
    return arena_bytes_ / 2 / kAlignment * kAlignment;
  }
  uint32_t shared_arena_bytes() const {
    return arena_bytes_;
  }

  runtime::Device& device_;
  uint32_t arena_bytes_;
  Span faults_;
  std::vector<uint32_t> coordinates_;  // of the cores on the NoC, as kernels take them

  // Of what follows. A call gets its number and is launched under one lock.
  std::mutex mutex_;
  uint32_t last_call_ = 0;
  std::map<uint32_t, Call> calls_;  // by number, those since the last take_fault()
  std::map<std::tuple<std::string, uint32_t, uint32_t, uint32_t>, std::shared_ptr<runtime::Program>> programs_;
};

}  // namespace moe::tt::launch
