#include "tt/launch/launcher.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "contract/layout.h"
#include "tt/launch/routing_plan.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

// L1 that firmware, mailboxes and the kernels themselves take, generously.
constexpr uint32_t kReservedL1 = 200 * 1024;

// Choices that a worker of prepare_mapping holds at a time, and bytes of pages that it builds at a time.
constexpr uint32_t kMappingChunk = 4096;
constexpr uint32_t kMappingBlock = 256 * 1024;

uint32_t round_down(uint32_t value, uint32_t alignment) {
  return value / alignment * alignment;
}

FlatArgs flat(const Span& span) {
  const uint32_t page_size = span.buffer->page_size();
  if (page_size > kMaxPageSize) {
    throw runtime::DeviceError(
        str("expected a buffer with pages of at most ", kMaxPageSize, " bytes, got ", page_size));
  }
  return {
      span.buffer->address(),
      static_cast<uint32_t>(std::countr_zero(page_size)),
      static_cast<uint32_t>(span.offset / page_size),
      static_cast<uint32_t>(span.offset % page_size)};
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
  return div_up(bytes, span.buffer->page_size());
}

// More than a row of cores is whole rows of them: few different programs, and each of them on a rectangle.
uint32_t whole_rows(const runtime::DeviceProperties& properties, uint32_t cores) {
  return cores <= properties.grid_x ? cores : div_up(cores, properties.grid_x) * properties.grid_x;
}

// Cores for so many pages: two workers on each.
uint32_t cores_for(const runtime::DeviceProperties& properties, uint32_t pages) {
  return whole_rows(properties, std::clamp(div_up(pages, kProcessors), 1u, properties.num_cores()));
}

}  // namespace

uint64_t Launcher::fault_bytes(const runtime::DeviceProperties& properties) {
  return uint64_t{properties.num_cores()} * kProcessors * kFaultRecordBytes;
}

Launcher::Launcher(runtime::Device& device, Span faults)
    : device_(device),
      arena_bytes_(round_down((device.properties().l1_size - kReservedL1) / kProcessors, kAlignment)),
      faults_(std::move(faults)) {
  for (uint32_t core = 0; core < device.properties().num_cores(); ++core) {
    const auto [x, y] = device.noc_coordinates(core);
    coordinates_.push_back(x << 16 | y);
  }
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

std::shared_ptr<runtime::Program> Launcher::program(
    const std::string& kernel,
    const Choices& choices,
    uint32_t num_cores,
    uint32_t num_semaphores,
    std::span<const uint32_t> circular_buffers) {
  auto& program = programs_[{kernel, choices.id_bytes, choices.weight_bytes, num_cores}];
  if (program != nullptr) {
    return program;
  }
  runtime::ProgramDescription description;
  description.name = kernel;
  description.cores = {0, num_cores};
  description.semaphores.assign(num_semaphores, 0);
  for (const uint32_t bytes : circular_buffers) {
    // The kernels align them themselves.
    const auto index = static_cast<uint32_t>(description.circular_buffers.size());
    description.circular_buffers.push_back({index, bytes + kAlignment});
  }
  for (const uint32_t processor : {0u, 1u}) {
    runtime::Kernel& code = description.kernels.emplace_back();
    code.name = kernel;
    code.processor = static_cast<runtime::Processor>(processor);
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
      .num_pages = pages,
      .num_workers = num_workers,
      .chunk = kMappingChunk,
      .block_pages = std::min(div_up(pages, num_workers), kMappingBlock / mapping.buffer->page_size())};
  device_.launch(
      program("prepare_mapping", choices, num_cores, 0, std::array{arena_bytes_, arena_bytes_}),
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

void Launcher::prepare_routing(
    const char* op, const Choices& choices, const Span& counts, const Span& tokens, const Span& weights) {
  const uint32_t num_rows = pad_num_experts(choices.num_experts);
  const uint64_t width = static_cast<uint64_t>(choices.num_tokens) * choices.num_choices;
  const RoutingLimits limits{
      .num_cores = device_.properties().num_cores(),
      .worker_bytes = routing_arena_bytes(),
      .shared_bytes = shared_arena_bytes()};
  // A kernel counts the bytes of a run of padding, which may be all of a core's rows, in 32 bits.
  const auto most_rows = static_cast<uint32_t>(std::numeric_limits<uint32_t>::max() / sizeof(uint32_t) / width);
  const uint32_t launch_rows = std::min({num_rows, limits.num_cores * kMaxCoreRows, most_rows});
  const std::lock_guard lock(mutex_);
  const FaultArgs faults = new_call(op, choices);
  for (uint64_t next = 0; next < num_rows; next += launch_rows) {
    const auto first = static_cast<uint32_t>(next);
    const uint32_t rows = std::min(launch_rows, num_rows - first);
    const auto from_first_row = [&](const Span& span, uint64_t row_bytes) {
      return flat({span.buffer, span.offset + first * row_bytes});
    };
    const RoutingPlan plan = plan_routing(
        {.num_choices = choices.num_tokens * choices.num_choices,
         .num_experts = choices.num_experts,
         .num_rows = rows,
         .id_bytes = choices.id_bytes,
         .weight_bytes = choices.weight_bytes},
        limits);
    const RoutingArgs args{
        .choices = choices_args(choices),
        .faults = faults,
        .counts = from_first_row(counts, sizeof(uint32_t)),
        .tokens = from_first_row(tokens, width * sizeof(uint32_t)),
        .weights = from_first_row(weights, width * choices.weight_bytes),
        .first_expert = first,
        .num_rows = rows,
        .num_teams = plan.num_teams,
        .team_rows = plan.team_rows,
        .team_cores = plan.team_cores,
        .slice = plan.slice,
        .slice_stride = slice_bytes(plan.team_rows, plan.slice),
        .num_rounds = plan.num_rounds,
        .room = routing_room(plan.team_rows, plan.slice, choices.id_bytes, choices.weight_bytes)};
    const uint32_t num_cores = whole_rows(device_.properties(), plan.num_teams * plan.team_cores);
    std::vector<uint32_t> common_args(words(args).begin(), words(args).end());
    common_args.insert(common_args.end(), coordinates_.begin(), coordinates_.begin() + num_cores);
    device_.launch(
        program(
            "prepare_routing",
            choices,
            num_cores,
            kNumRoutingSemaphores,
            std::array{routing_arena_bytes(), routing_arena_bytes(), shared_arena_bytes()}),
        common_args,
        std::array{
            choices.ids.buffer, choices.weights.buffer, counts.buffer, tokens.buffer, weights.buffer, faults_.buffer});
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

}  // namespace moe::tt::launch
