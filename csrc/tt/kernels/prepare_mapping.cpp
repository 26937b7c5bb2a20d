// The dense map (T, E), or (T, L) of local experts. Every worker owns a range of its pages, builds them in L1 from the
// choices of the tokens that they cover, and writes each as soon as it is complete.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/invalid_id.h"
#include "common/local_experts.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_mapping.h"

namespace moe::tt::kernels {
namespace {

// A function of its own, so that the kernel's variables stay in registers across it.
[[gnu::noinline]] void write_page(DramRange<kMapping> memory, uint32_t page, uint32_t source) {
  memory.write_page(page, source);
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void prepare_mapping(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t slice = args.slice;
  const DramRange<kMapping> mapping(args.mapping);

  const uint32_t page_elements = mapping.page_size() / kWeightSize;
  // In L1, where pages follow each other with their padding.
  const uint32_t num_columns = has_row_pages() ? page_elements : args.layout.num_columns;
  const uint32_t num_elements = args.layout.num_tokens * num_columns;
  const WorkSplit pages(args.num_pages, worker, args.num_workers);

  const uint32_t rows_address = scratch + choices_scratch(slice, kIdSize, kWeightSize);
  ChoiceReader<kIdSize, kWeightSize, Rows> choices(args.choices, row_map, scratch, slice);
  const uint32_t batch_address = rows_address + (has_row_pages() ? kRowsScratch : 0);
  const L1Pointer<Bits<kWeightSize>> batch = l1_pointer<Bits<kWeightSize>>(batch_address);

  for (uint32_t page = pages.begin; page < pages.end;) {
    const uint32_t batch_pages = min(args.batch_pages, pages.end - page);
    const uint32_t batch_elements = batch_pages * page_elements;
    const uint32_t begin = page * page_elements;
    const uint32_t end = begin + min(batch_elements, num_elements - begin);
    const uint32_t first_token = begin / num_columns;
    const uint32_t end_token = (end - 1) / num_columns + 1;

    // The pages of the last batch must have left L1.
    noc_async_writes_flushed();
    start_zeroing(batch_address, batch_elements * kWeightSize);

    uint32_t page_address = batch_address;
    uint32_t page_end = page_elements;  // in the batch
    const auto write_pages = [&](uint32_t complete) {
      for (; page_end <= complete; page_end += page_elements) {
        write_page(mapping, page, page_address);
        page_address += mapping.page_size();
        ++page;
      }
    };

    uint32_t row = first_token * num_columns - begin;  // where the token's row begins in the batch, modulo 2^32
    uint32_t row_rest = top_k;                         // choices of the token that have not been read
    uint32_t count;
    const uint32_t last = end_token * top_k;
    for (uint32_t first = first_token * top_k; first < last; first += count) {
      count = min(slice, last - first);
      choices.start_reading(first, count);
      choices.finish_reading(first, count, rows_address);
      bool invalid = false;
      for (uint32_t i = 0; i < count;) {
        const uint32_t row_end = i + min(row_rest, count - i);
        choices.visit_ids(
            i,
            row_end,
            [&](uint32_t choice, uint32_t column) {
              const uint32_t element = row + column;
              if (element < batch_elements) {
                batch[element] = choices.weight(choice);
              }
            },
            [&] { invalid = true; });
        row_rest -= row_end - i;
        i = row_end;
        if (row_rest == 0) {
          row_rest = top_k;
          row += num_columns;
          write_pages(min(row, batch_elements));
        }
      }
      if (invalid) {
        record_invalid(choices, first, count, invalid_id);
      }
    }
    write_pages(batch_elements);
  }
  write_barrier();
  invalid_id.report(args.invalid_ids, worker, scratch);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt::kernels;
  run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t worker_scratch) {
    constexpr uint32_t kIdSize = decltype(id_size)::value;
    constexpr uint32_t kWeightSize = decltype(weight_size)::value;
    const auto& args = common_args<MappingArgs>();
    with_row_map(args.choices, worker_scratch, [&](const auto& row_map, uint32_t scratch, InvalidId& invalid_id) {
      prepare_mapping<kIdSize, kWeightSize>(args, row_map, worker, scratch, invalid_id);
    });
  });
}
