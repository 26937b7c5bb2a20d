#include "tt/ops/launcher.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "layout/layout.h"

namespace moe::tt {
namespace {

// L1 that firmware, mailboxes and the kernels themselves take, generously.
constexpr uint32_t kReservedL1 = 200 * 1024;

// Choices below which another worker's slice costs more than it saves.
constexpr uint32_t kMinSlice = 32;

// Choices that a worker of prepare_mapping holds at a time, and bytes of pages that it builds at a time.
constexpr uint32_t kMappingChunk = 4096;
constexpr uint32_t kMappingBlock = 256 * 1024;

// Rows of one routing launch. A multiple of 1024 rows begins with a page, however few bytes a row has.
constexpr uint32_t kMaxRows = 32 * 1024;

uint32_t ceil_divide(uint64_t a, uint64_t b) {
  return static_cast<uint32_t>((a + b - 1) / b);
}

FlatArgs flat(const Span& span) {
  return {
      span.buffer->address(),
      static_cast<uint32_t>(std::countr_zero(span.buffer->page_size())),
      static_cast<uint32_t>(span.offset),
      static_cast<uint32_t>(span.offset >> 32)};
}

// There may be more experts than ids of a dtype: "no expert" is none of them, and neither is a negative id.
uint32_t id_limit(const Choices& choices) {
  if (choices.id_bytes == sizeof(uint16_t)) {
    return std::min<uint32_t>(choices.num_experts, kNoExpert<uint16_t>);
  }
  if (choices.id_bytes == sizeof(int32_t) && choices.ids_signed) {
    return std::min(choices.num_experts, uint32_t{1} << 31);
  }
  return choices.num_experts;
}

ChoicesArgs choices_args(const Choices& choices) {
  return {
      flat(choices.ids),
      flat(choices.weights),
      choices.num_tokens,
      choices.num_choices,
      choices.num_experts,
      id_limit(choices)};
}

template <typename Args>
std::span<const uint32_t> words(const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) % sizeof(uint32_t) == 0);
  return {reinterpret_cast<const uint32_t*>(&args), sizeof(Args) / sizeof(uint32_t)};
}

// Pages of `bytes` in the span's buffer.
uint32_t num_pages(const Span& span, uint64_t bytes) {
  return ceil_divide(bytes, span.buffer->page_size());
}

// Cores for so many pages: two workers on each. More than a row of cores is a multiple of it, so that they are a
// rectangle, as a multicast needs.
uint32_t cores_for(const DeviceProperties& properties, uint32_t pages) {
  const uint32_t cores = std::clamp(ceil_divide(pages, kProcessors), 1u, properties.num_cores());
  return cores <= properties.grid_x ? cores : ceil_divide(cores, properties.grid_x) * properties.grid_x;
}

}  // namespace

uint64_t Launcher::fault_bytes(const DeviceProperties& properties) {
  return uint64_t{properties.num_cores()} * kProcessors * kFaultRecordBytes;
}

Launcher::Launcher(Device& device, Span faults)
    : device_(device),
      arena_bytes_((device.properties().l1_size - kReservedL1) / kProcessors / kAlignment * kAlignment),
      faults_(std::move(faults)) {
  clear_faults();
}

void Launcher::clear_faults() {
  const std::vector<std::byte> zeros(fault_bytes(device_.properties()));
  device_.write(faults_.buffer, faults_.offset, zeros);
}

FaultArgs Launcher::new_call(const char* op, const Choices& choices) {
  ++last_call_;
  calls_[last_call_] = {op, choices.num_choices, choices.num_experts, choices.id_bytes, choices.ids_signed};
  return {flat(faults_), last_call_};
}

std::shared_ptr<Program> Launcher::program(
    const std::string& kernel, const Choices& choices, uint32_t num_cores, uint32_t num_semaphores) {
  auto& program = programs_[{kernel, choices.id_bytes, choices.weight_bytes, num_cores}];
  if (program != nullptr) {
    return program;
  }
  ProgramDescription description;
  description.name = kernel;
  description.cores = {0, num_cores};
  description.semaphores.assign(num_semaphores, 0);
  for (const uint32_t processor : {0u, 1u}) {
    // A worker's L1, which it aligns itself.
    description.circular_buffers.push_back({processor, arena_bytes_ + kAlignment});
    Kernel& code = description.kernels.emplace_back();
    code.name = kernel;
    code.processor = static_cast<Processor>(processor);
    code.cores = description.cores;
    code.compile_args = {choices.id_bytes, choices.weight_bytes, processor};
    const auto accessor_args = device_.tensor_accessor_args();
    code.compile_args.insert(code.compile_args.end(), accessor_args.begin(), accessor_args.end());
    for (uint32_t core = 0; core < num_cores; ++core) {
      code.runtime_args.push_back({core});
    }
  }
  program = device_.build(description);
  return program;
}

void Launcher::prepare_mapping(const char* op, const Choices& choices, const Span& mapping) {
  const uint64_t bytes = static_cast<uint64_t>(choices.num_tokens) * choices.num_experts * choices.weight_bytes;
  const uint32_t pages = num_pages(mapping, bytes);
  if (pages == 0) {
    return;
  }
  const uint32_t num_cores = cores_for(device_.properties(), pages);
  const uint32_t num_workers = num_cores * kProcessors;
  const std::lock_guard lock(mutex_);
  const MappingArgs args{
      .choices = choices_args(choices),
      .faults = new_call(op, choices),
      .mapping = flat(mapping),
      .num_workers = num_workers,
      .chunk = kMappingChunk,
      .block_pages = std::min(ceil_divide(pages, num_workers), kMappingBlock / mapping.buffer->page_size())};
  device_.launch(
      program("prepare_mapping", choices, num_cores, 0),
      words(args),
      std::array{choices.ids.buffer, choices.weights.buffer, mapping.buffer, faults_.buffer});
}

// What the host calls an id of the kernel's two words.
int64_t Launcher::id_value(const Call& call, const FaultRecord& record) {
  if (call.id_bytes == sizeof(int64_t)) {
    return static_cast<int64_t>(static_cast<uint64_t>(record.id_high) << 32 | record.id_low);
  }
  return call.ids_signed ? static_cast<int64_t>(static_cast<int32_t>(record.id_low)) : record.id_low;
}

struct Launcher::RoutingPlan {
  uint32_t rows;  // of a launch, at most
  uint32_t slice;
  uint32_t num_slices;
  SliceLayout layout;
};

Launcher::RoutingPlan Launcher::plan_routing(const Choices& choices, uint32_t num_rows) const {
  const uint32_t rows = std::min(num_rows, kMaxRows);
  const uint32_t total = choices.num_tokens * choices.num_choices;
  // A worker holds a slice's choices and, sorted, its place in the scratch memory; each part begins at a multiple of
  // kAlignment and may arrive up to one kAlignment later.
  const uint32_t each = choices.id_bytes + 2 * choices.weight_bytes + sizeof(uint32_t);
  const uint32_t most = (arena_bytes_ - (rows + 1) * sizeof(uint32_t) - 8 * kAlignment) / each;
  const uint32_t workers = device_.properties().num_cores() * kProcessors;
  const uint32_t slice = std::min(std::max(ceil_divide(total, workers), kMinSlice), most);
  return {rows, slice, ceil_divide(total, slice), slice_layout(rows, slice, choices.weight_bytes)};
}

uint64_t Launcher::routing_scratch_bytes(const Choices& choices) const {
  const RoutingPlan plan = plan_routing(choices, pad_num_experts(choices.num_experts));
  return static_cast<uint64_t>(plan.num_slices) * plan.layout.bytes;
}

void Launcher::prepare_routing(
    const char* op,
    const Choices& choices,
    const Span& counts,
    const Span& tokens,
    const Span& weights,
    const Span& scratch) {
  const uint32_t num_rows = pad_num_experts(choices.num_experts);
  const uint64_t width = static_cast<uint64_t>(choices.num_tokens) * choices.num_choices;
  const RoutingPlan plan = plan_routing(choices, num_rows);
  const std::lock_guard lock(mutex_);
  const FaultArgs faults = new_call(op, choices);
  for (uint32_t first = 0; first < num_rows; first += plan.rows) {
    const uint32_t rows = std::min(plan.rows, num_rows - first);
    const auto from_first_row = [&](const Span& span, uint64_t row_bytes) {
      return flat({span.buffer, span.offset + first * row_bytes});
    };
    const uint32_t pages =
        num_pages(tokens, rows * width * sizeof(uint32_t)) + num_pages(weights, rows * width * choices.weight_bytes);
    const uint32_t num_cores = cores_for(device_.properties(), pages);
    const auto [first_x, first_y] = device_.noc_coordinates(0);
    const auto [last_x, last_y] = device_.noc_coordinates(num_cores - 1);
    const RoutingArgs args{
        .choices = choices_args(choices),
        .faults = faults,
        .counts = from_first_row(counts, sizeof(uint32_t)),
        .tokens = from_first_row(tokens, width * sizeof(uint32_t)),
        .weights = from_first_row(weights, width * choices.weight_bytes),
        .scratch = flat(scratch),
        .first_expert = first,
        .num_rows = rows,
        .num_workers = num_cores * kProcessors,
        .slice = plan.slice,
        .num_slices = plan.num_slices,
        .arena_bytes = arena_bytes_,
        .num_cores = num_cores,
        .first_core_noc_x = first_x,
        .first_core_noc_y = first_y,
        .last_core_noc_x = last_x,
        .last_core_noc_y = last_y};
    device_.launch(
        program("prepare_routing", choices, num_cores, kNumRoutingSemaphores),
        words(args),
        std::array{
            choices.ids.buffer,
            choices.weights.buffer,
            counts.buffer,
            tokens.buffer,
            weights.buffer,
            scratch.buffer,
            faults_.buffer});
  }
}

std::vector<FaultRecord> Launcher::read_faults() {
  std::vector<std::byte> bytes(fault_bytes(device_.properties()));
  device_.read(faults_.buffer, faults_.offset, bytes);
  std::vector<FaultRecord> faults;
  for (size_t begin = 0; begin < bytes.size(); begin += kFaultRecordBytes) {
    FaultRecord record;
    std::memcpy(&record, &bytes[begin], sizeof(record));
    if (record.launch != 0) {
      faults.push_back(record);
    }
  }
  return faults;
}

void Launcher::forget_calls(uint32_t last) {
  calls_.erase(calls_.begin(), calls_.upper_bound(last));
  if (calls_.empty()) {
    last_call_ = 0;
  }
}

std::optional<IdFault> Launcher::take_fault() {
  uint32_t last_call;
  {
    const std::lock_guard lock(mutex_);
    if (calls_.empty()) {
      return std::nullopt;
    }
    last_call = last_call_;
  }
  std::vector<FaultRecord> faults = read_faults();
  const std::lock_guard lock(mutex_);
  if (faults.empty()) {
    forget_calls(last_call);
    return std::nullopt;
  }
  // With the lock, so that nothing is launched between reading the records and clearing them.
  faults = read_faults();
  clear_faults();
  const auto order = [](const FaultRecord& record) { return std::pair(record.launch, record.position); };
  const FaultRecord first = *std::ranges::min_element(faults, {}, order);
  const bool more = std::ranges::any_of(
      faults, [&](const FaultRecord& record) { return record.more > 0 || record.launch != first.launch; });
  const Call call = calls_.at(first.launch);
  forget_calls(last_call_);
  return IdFault{call.op, first.position, call.num_choices, id_value(call, first), call.num_experts, more};
}

}  // namespace moe::tt
