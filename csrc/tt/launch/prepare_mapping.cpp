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
using kernels::MappingScratch;

// Bytes of pages that a worker builds at a time, and of a row that it builds more of than is in these pages, at most.
constexpr uint32_t kBatchBytes = 256 * 1024;
constexpr uint32_t kMaxRowBytes = 16 * 1024;
// Choices of a token that it holds at a time, of larger rows.
constexpr uint32_t kSlice = 4096;

// What a worker builds at a time.
struct Batch {
  uint32_t pages;
  uint32_t slice;  // choices for them
  uint32_t margin;
  bool has_large_rows;

  MappingScratch scratch(const RouterChoices& choices) const {
    return MappingScratch::of(slice, margin, choices.id_size, choices.weight_size, choices.ids.pages());
  }
};

// Pages that there is space for, at most so many: one or more.
uint32_t pages_in(uint32_t space, uint32_t page_size, uint32_t most) {
  if (space < page_size) {
    throw runtime::DeviceError(str(
        "expected rows of the map of at most ", space, " bytes, for a core builds them in its L1, got ", page_size));
  }
  return std::min(most, std::max(std::min(space, kBatchBytes) / page_size, 1u));
}

// Whole rows, which are pages: their choices have a place of their own.
Batch batch_of_rows(uint32_t row_size, uint32_t share, uint32_t worker_bytes) {
  constexpr uint32_t beside = kernels::kRowsScratch;
  const uint32_t space = worker_bytes > beside ? worker_bytes - beside : 0;
  return {.pages = pages_in(space, row_size, share), .slice = 0, .margin = 0, .has_large_rows = false};
}

// Flat pages, with the choices of all rows in them, and of one more row at either end.
Batch batch_of_pages(
    const RouterChoices& choices, uint32_t num_columns, uint32_t page_size, uint32_t share, uint32_t worker_bytes) {
  const uint64_t row_bytes = uint64_t{num_columns} * choices.weight_size;
  const uint64_t row_choices_bytes = uint64_t{choices.top_k} * (choices.id_size + choices.weight_size);
  const uint64_t margin = round_up(row_bytes, kAlignment);
  const uint64_t beside = 2 * row_choices_bytes + 2 * margin + 4 * kAlignment;
  if (row_bytes <= kMaxRowBytes && beside < worker_bytes) {
    // A page takes its own bytes and those of its share of rows.
    const uint64_t pages = (worker_bytes - beside) * row_bytes / (page_size * (row_bytes + row_choices_bytes));
    if (pages > 0) {
      const auto batch = std::min({static_cast<uint32_t>(pages), kBatchBytes / page_size, share});
      const uint64_t tokens = uint64_t{batch} * page_size / row_bytes + 2;
      return {
          .pages = batch,
          .slice = static_cast<uint32_t>(tokens * choices.top_k),
          .margin = static_cast<uint32_t>(margin),
          .has_large_rows = false};
    }
  }
  return {.pages = 1, .slice = kSlice, .margin = 0, .has_large_rows = true};
}

}  // namespace

std::vector<Launch> plan_prepare_mapping(
    const Target& target,
    const RouterChoices& choices,
    const kernels::InvalidIdArgs& invalid_ids,
    const Tensor& mapping) {
  const auto layout = MappingLayout<uint32_t>::of(choices.num_tokens, choices.num_rows());
  const bool rows = choices.ids.pages() == kernels::kRowPages;
  const uint32_t page_size = mapping.range.page_size;
  const uint32_t pages =
      rows ? layout.num_tokens
           : count_of(uint64_t{layout.num_tokens} * layout.num_columns * choices.weight_size, page_size);
  const uint32_t wanted_cores = count_of(pages, kProcessors);
  const uint32_t num_cores = target.whole_rows(std::min(wanted_cores, target.num_cores()));
  const uint32_t num_workers = num_cores * kProcessors;
  const uint32_t worker_bytes = static_cast<uint32_t>(round_down(target.l1_bytes / kProcessors, kAlignment));
  const uint32_t batch_bytes = bytes_beside_row_map(choices, worker_bytes);
  const uint32_t page_share = count_of(pages, num_workers);
  const Batch batch = rows ? batch_of_rows(page_size, page_share, batch_bytes)
                           : batch_of_pages(choices, layout.num_columns, page_size, page_share, batch_bytes);
  const kernels::MappingArgs args{
      .choices = choices_args(choices),
      .invalid_ids = invalid_ids,
      .mapping = mapping.range,
      .layout = layout,
      .num_pages = pages,
      .num_workers = num_workers,
      .page_share = page_share,
      .batch_pages = batch.pages,
      .slice = batch.slice,
      .has_large_rows = batch.has_large_rows,
      .scratch = batch.scratch(choices)};
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
