// The dense map (T, E), or (T, L) of local experts. Every worker builds a part of it in L1 from the choices of the
// tokens that it covers.
//
// Flat pages: a worker owns a range of pages, and writes each as soon as it is complete.
// Row pages:  a worker owns tokens whose rows follow each other in a bank: that many rows are one read or write, and
//             are worked on where they arrive. So the order of tokens is the banks', with two of them 0, 2, ..., 1, 3,
//             ...

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/invalid_id.h"
#include "common/local_experts.h"
#include "common/row_reader.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_mapping.h"

namespace moe::tt::kernels {
namespace {

// A function of its own, so that the kernel's variables stay in registers across it.
[[gnu::noinline]] void write_page(DramRange<kMapping> memory, uint32_t page, uint32_t source) {
  memory.write({page, 0}, memory.page_size(), source);
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void map_pages(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t num_columns = args.layout.num_columns;
  const uint32_t slice = args.slice;
  const DramRange<kMapping> mapping(args.mapping);

  const uint32_t page_elements = mapping.page_size() / kWeightSize;
  const uint32_t num_elements = args.layout.num_tokens * num_columns;
  const WorkSplit pages(args.num_pages, worker, args.num_workers);

  ChoiceReader<kIdSize, kWeightSize, Rows> choices(args.choices, row_map, scratch, slice);
  const uint32_t batch_address = scratch + choices_scratch(slice, kIdSize, kWeightSize);
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
      read_barrier();
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
}

// Writes rows that follow each other in a bank; every step-th of the map, from `first` on.
[[gnu::noinline]] void write_rows(
    const tt_l1_ptr DramRangeArgs& args, uint32_t first, uint32_t step, uint32_t count, uint32_t source) {
  const DramRange<kMapping> mapping(args);
  if (args.row_size != args.row_stride) {  // what a row is padded with is not ours to write
    for (uint32_t i = 0; i < count; ++i) {
      mapping.write_row(first + i * step, source + i * args.row_stride);
    }
    return;
  }
  mapping.write_bank(first, count * args.row_stride, source);
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void map_rows(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t num_tokens = args.layout.num_tokens;
  const uint32_t row_elements = args.mapping.row_stride / kWeightSize;
  const uint32_t num_banks = DramRange<kMapping>::num_banks();
  const RowReader<kIds> ids(args.choices.ids, scratch);
  const RowReader<kWeights> weights(args.choices.weights, scratch + kMaxPageSize);
  ChoiceReader<kIdSize, kWeightSize, Rows> choices(args.choices, row_map, scratch, 0);
  const uint32_t batch_address = scratch + kRowsScratch;
  const uint32_t most = min(args.batch_pages, min(ids.max_rows(), weights.max_rows()));

  const WorkSplit share(num_tokens, worker, args.num_workers);
  uint32_t left = share.end - share.begin;
  uint32_t bank = 0;
  uint32_t row = share.begin;  // in the bank
  const auto bank_rows = [&] { return div_up(num_tokens - bank, num_banks); };
  while (left > 0) {
    for (; row >= bank_rows(); ++bank) {
      row -= bank_rows();
    }
    const uint32_t count = min(most, min(left, bank_rows() - row));
    const uint32_t first_token = bank + row * num_banks;

    // The rows of the last batch must have left L1.
    noc_async_writes_flushed();
    start_zeroing(batch_address, count * args.mapping.row_stride);
    ids.start_reading(first_token, num_banks, count);
    weights.start_reading(first_token, num_banks, count);
    read_barrier();

    L1Pointer<Bits<kWeightSize>> elements = l1_pointer<Bits<kWeightSize>>(batch_address);
    for (uint32_t i = 0; i < count; ++i, elements += row_elements) {
      choices.look_at(ids.row(i), weights.row(i));
      bool invalid = false;
      choices.visit_ids(
          0,
          top_k,
          [&](uint32_t choice, uint32_t column) { elements[column] = choices.weight(choice); },
          [&] { invalid = true; });
      if (invalid) {
        record_invalid(choices, (first_token + i * num_banks) * top_k, top_k, invalid_id);
      }
    }
    write_rows(args.mapping, first_token, num_banks, count, batch_address);
    left -= count;
    row += count;
  }
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void prepare_mapping(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  if (has_row_pages()) {
    map_rows<kIdSize, kWeightSize>(args, row_map, worker, scratch, invalid_id);
  } else {
    map_pages<kIdSize, kWeightSize>(args, row_map, worker, scratch, invalid_id);
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
