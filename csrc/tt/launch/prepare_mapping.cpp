#include "tt/launch/prepare_mapping.h"

#include <algorithm>

#include "tt/kernels/prepare_mapping.h"
#include "tt/launch/arguments.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;

// Choices that a worker holds at a time, and bytes of pages that it builds at a time.
constexpr uint32_t kSlice = 4096;
constexpr uint32_t kBatchBytes = 256 * 1024;

// Pages that a worker builds at a time: at most so many, and what its L1 has space for beside the choices.
uint32_t batch_pages(uint32_t most, uint32_t page_size, uint32_t worker_bytes, const RouterChoices& choices) {
  const uint32_t beside = choices.ids.pages() == kernels::kRowPages
                              ? kernels::kRowsScratch
                              : kernels::choices_scratch(kSlice, choices.id_size, choices.weight_size);
  const uint32_t space = worker_bytes > beside ? worker_bytes - beside : 0;
  if (space < page_size) {
    throw runtime::DeviceError(str(
        "expected rows of the map of at most ", space, " bytes, for a core builds them in its L1, got ", page_size));
  }
  return std::min(most, std::max(std::min(space, kBatchBytes) / page_size, 1u));
}

}  // namespace

std::vector<Launch> plan_prepare_mapping(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& mapping) {
  const auto layout = MappingLayout<uint32_t>::of(choices.num_tokens, choices.num_rows());
  const bool rows = choices.ids.pages() == kernels::kRowPages;
  const uint32_t page_size = rows ? mapping.range.row_stride : uint32_t{1} << mapping.range.page_size_log2;
  const uint32_t pages = rows ? layout.num_tokens
                              : static_cast<uint32_t>(div_up(
                                    uint64_t{layout.num_tokens} * layout.num_columns * choices.weight_size, page_size));
  const auto wanted_cores = static_cast<uint32_t>(div_up(pages, kProcessors));
  const uint32_t num_cores = target.whole_rows(std::min(wanted_cores, target.num_cores()));
  const uint32_t num_workers = num_cores * kProcessors;
  const uint32_t worker_bytes = static_cast<uint32_t>(round_down(target.l1_bytes / kProcessors, kAlignment));
  const uint32_t batch_bytes = bytes_beside_row_map(choices, worker_bytes);
  const kernels::MappingArgs args{
      .choices = choices_args(choices),
      .invalid_ids = invalid_ids,
      .mapping = mapping.range,
      .layout = layout,
      .num_pages = pages,
      .num_workers = num_workers,
      .slice = kSlice,
      .batch_pages = batch_pages(static_cast<uint32_t>(div_up(pages, num_workers)), page_size, batch_bytes, choices)};
  return {
      {.kernel = "prepare_mapping",
       .id_size = choices.id_size,
       .weight_size = choices.weight_size,
       .pages = choices.ids.pages(),
       .options = choices.options(),
       .num_tensors = choices.num_tensors(kernels::kNumMappingTensors),
       .num_cores = num_cores,
       .num_semaphores = 0,
       .circular_buffers = {worker_bytes + kAlignment, worker_bytes + kAlignment},
       .common_args = {words(args).begin(), words(args).end()}}};
}

void prepare_mapping(Launcher& launcher, const RouterChoices& choices, const Tensor& mapping) {
  launcher.call(
      checks_of(kPrepareMapping, choices),
      tensors_of(choices, {mapping}),
      [&](const kernels::InvalidIdArgs& invalid_ids) {
        return plan_prepare_mapping(launcher.target, choices, invalid_ids, mapping);
      });
}

}  // namespace moe::tt::launch
