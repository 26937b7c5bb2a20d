#include "tt/launch/prepare_mapping.h"

#include <algorithm>
#include <array>

#include "tt/kernels/prepare_mapping.h"
#include "tt/launch/arguments.h"
#include "tt/support/math.h"

namespace moe::tt::launch {
namespace {

using kernels::kAlignment;
using kernels::kProcessors;

// Choices that a worker holds at a time, and bytes of pages that it builds at a time.
constexpr uint32_t kSlice = 4096;
constexpr uint32_t kBatchBytes = 256 * 1024;

}  // namespace

void prepare_mapping(Launcher& launcher, const RouterChoices& choices, const runtime::BufferSpan& mapping) {
  const runtime::DeviceProperties& properties = launcher.device.properties();
  const auto layout = MappingLayout<uint32_t>::of(choices.num_tokens, choices.num_experts);
  const uint32_t pages = num_pages(mapping, uint64_t{layout.num_tokens} * layout.num_columns * choices.weight_size);
  const auto wanted_cores = static_cast<uint32_t>(div_up(pages, kProcessors));
  const uint32_t num_cores = whole_rows(properties, std::min(wanted_cores, properties.num_cores()));
  const uint32_t num_workers = num_cores * kProcessors;
  const uint32_t batch_pages =
      std::min(static_cast<uint32_t>(div_up(pages, num_workers)), kBatchBytes / mapping.buffer->page_size());
  const uint32_t worker_bytes = static_cast<uint32_t>(round_down(launcher.l1_bytes / kProcessors, kAlignment));
  const std::lock_guard lock(launcher.invalid_ids.mutex());
  const kernels::MappingArgs args{
      .choices = choices_args(choices),
      .invalid_ids = launcher.invalid_ids.begin_call(kPrepareMapping, choices),
      .mapping = dram_range_args(mapping),
      .layout = layout,
      .num_pages = pages,
      .num_workers = num_workers,
      .slice = kSlice,
      .batch_pages = batch_pages};
  const std::array circular_buffers{worker_bytes + kAlignment, worker_bytes + kAlignment};
  launcher.device.launch(
      launcher.programs.get("prepare_mapping", choices, num_cores, /*num_semaphores=*/0, circular_buffers),
      words(args),
      std::array{choices.ids.buffer, choices.weights.buffer, mapping.buffer, launcher.invalid_ids.buffer()});
}

}  // namespace moe::tt::launch
