#include "tt/launch/permute.h"

#include <algorithm>
#include <array>

#include "tt/kernels/permute.h"
#include "tt/launch/arguments.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;
using kernels::kRowUnit;
using kernels::PermutePlan;
using kernels::PermuteScratch;

// Tokens of the output's rows that a worker holds at a time, at most: enough to hide the latency of a read.
constexpr uint32_t kMaxSlice = 8192;

// Places of later tokens that a worker remembers, at most.
constexpr uint32_t kMaxRemembered = 8192;

// A row is not cut into smaller parts: to write one takes about as long.
constexpr uint32_t kMinPartBytes = 1024;

// Every worker reads all of grouped_tokens. There are so few of them that this is at most a twelfth of what the rows
// have, but not fewer than a quarter of all: rows are short then, and instructions bound the launch, not bytes.
constexpr uint32_t kRowBytesPerTokenByte = 12;
constexpr uint32_t kMinShareOfWorkers = 4;

uint32_t workers_for(const Permutation& permutation, uint32_t most) {
  const uint64_t row_bytes = (uint64_t{permutation.num_tokens} + permutation.num_rows) * permutation.row_size;
  const uint64_t token_bytes = uint64_t{permutation.num_rows} * sizeof(uint32_t);
  const uint64_t workers = row_bytes / (token_bytes * kRowBytesPerTokenByte);
  return static_cast<uint32_t>(std::clamp<uint64_t>(workers, div_up(most, kMinShareOfWorkers), most));
}

PermutePlan plan_with(const Permutation& permutation, uint32_t all_workers, uint32_t worker_bytes) {
  PermutePlan plan{};
  plan.num_workers = workers_for(permutation, all_workers);
  plan.slice = std::min(permutation.num_rows, kMaxSlice);
  plan.remembered = std::min(permutation.num_rows, kMaxRemembered);
  // A part to be moved, and a block of one.
  const uint32_t beside = PermuteScratch::of(plan).end;
  const uint32_t space = worker_bytes > beside ? worker_bytes - beside : 0;
  const auto max_part = static_cast<uint32_t>(round_down(space / 2, kAlignment));
  if (max_part < 2 * kAlignment) {
    throw runtime::DeviceError(str("expected L1 for parts of two rows, got ", worker_bytes, " bytes a worker"));
  }
  const uint32_t tokens = std::max(permutation.num_tokens, 1u);
  const uint32_t wanted_parts = std::max(plan.num_workers / tokens, 1u);
  const uint32_t part = kernels::align_up(count_of(permutation.row_size, wanted_parts), kAlignment);
  plan.part = std::min(std::max(part, kMinPartBytes), max_part - kAlignment) / kRowUnit;
  plan.num_parts = count_of(permutation.row_size, uint64_t{plan.part} * kRowUnit);
  const uint32_t part_scratch = kernels::elements_scratch(plan.part, kRowUnit);
  plan.block = std::min(count_of(uint64_t{tokens} * plan.num_parts, plan.num_workers), space / part_scratch - 1);
  const uint64_t num_blocks = div_up(permutation.num_tokens, plan.block) * uint64_t{plan.num_parts};
  plan.num_workers =
      static_cast<uint32_t>(std::min<uint64_t>(plan.num_workers, std::max<uint64_t>(num_blocks, permutation.num_rows)));
  return plan;
}

}  // namespace

Checks checks_of(const Permutation& permutation) {
  return {{kPermute, CheckedIds::kTokens, 1, sizeof(int32_t), true}, permutation.num_tokens};
}

bool has_permute_kernel(uint64_t rows, uint64_t columns, uint64_t element_size) {
  return element_size % kRowUnit == 0 && is_countable(rows, columns * (element_size / kRowUnit));
}

std::vector<Launch> plan_permute(
    const Target& target,
    const Permutation& permutation,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& permuted) {
  const uint32_t row_width = permutation.row_size / kRowUnit;
  check_countable(permutation.num_tokens, row_width);
  check_countable(permutation.num_rows, row_width);
  const auto worker_bytes = static_cast<uint32_t>(round_down(target.l1_bytes / kProcessors, kAlignment));
  const PermutePlan plan = plan_with(permutation, target.num_cores() * kProcessors, worker_bytes);
  const kernels::PermuteArgs args{
      .grouped_tokens = permutation.grouped_tokens.range,
      .hidden = permutation.hidden.range,
      .permuted = permuted.range,
      .invalid_ids = invalid_ids,
      // A negative number is no token, however many there are.
      .num_tokens = std::min(permutation.num_tokens, uint32_t{1} << 31),
      .num_rows = permutation.num_rows,
      .row_width = row_width,
      .plan = plan,
      .scratch = PermuteScratch::of(plan)};
  return {
      {.kernel = "permute",
       .pages = permutation.grouped_tokens.pages(),
       .num_tensors = kernels::kNumPermuteTensors - 1,  // there are no local experts
       .num_cores = target.whole_rows(count_of(plan.num_workers, kProcessors)),
       .num_semaphores = 0,
       .circular_buffers = {worker_bytes + kAlignment, worker_bytes + kAlignment},
       .common_args = {words(args).begin(), words(args).end()}}};
}

void permute(Launcher& launcher, const Permutation& permutation, const Tensor& permuted) {
  launcher.call(
      checks_of(permutation),
      std::array{permuted, permutation.hidden, permutation.grouped_tokens},
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return plan_permute(launcher.target, permutation, invalid_ids, permuted);
      });
}

}  // namespace moe::tt::launch
