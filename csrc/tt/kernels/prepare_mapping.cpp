// The dense map (T, E), or (T, L) of local experts. Every worker builds a part of it in L1 from the choices of the
// tokens that it covers.
//
// Flat pages: a worker owns a range of pages, and writes each as soon as it is complete. Where a row is only partly in
//             what it builds at a time, it builds the rest too, before and behind, which goes nowhere.
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

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void map_pages(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t num_columns = args.layout.num_columns;
  const uint32_t page_elements = args.mapping.page_size / kWeightSize;
  const uint32_t batch_address = scratch + args.scratch.batch;
  const DramRange<kMapping> mapping(args.mapping);

  // The token after the last one whose row begins before a page ends.
  const auto end_token = [&](uint32_t page_end) {
    return min((page_end * page_elements - 1) / num_columns + 1, args.layout.num_tokens);
  };

  uint32_t page = worker * args.page_share;
  const uint32_t share_end = min(page + args.page_share, args.num_pages);
  while (page < share_end) {
    const uint32_t batch_end = min(page + args.batch_pages, share_end);
    const uint32_t begin = page * page_elements;
    const uint32_t first_token = begin / num_columns;
    const uint32_t first = first_token * top_k;
    const uint32_t count = end_token(batch_end) * top_k - first;

    start_zeroing(batch_address, (batch_end - page) * args.mapping.page_size);
    ChoiceReader<kIdSize, kWeightSize, Rows> choices(args.choices, row_map, scratch, scratch + args.scratch.weights);
    choices.start_reading(first, count);
    read_barrier();

    bool invalid = false;
    uint32_t token = first_token;
    uint32_t page_address = batch_address;
    L1Pointer<Bits<kWeightSize>> elements =
        l1_pointer<Bits<kWeightSize>>(batch_address - (begin - first_token * num_columns) * kWeightSize);
    for (; page < batch_end; ++page, page_address += args.mapping.page_size) {
      for (const uint32_t end = end_token(page + 1); token < end; ++token, elements += num_columns) {
        choices.visit_next(
            top_k,
            [&](uint32_t column, Bits<kWeightSize> weight) { elements[column] = weight; },
            [&] { invalid = true; });
      }
      mapping.write_page(page, page_address);
    }
    if (invalid) {
      choices.record_visited(first, count, invalid_id);
    }
    // The pages must leave L1 before the next batch is there.
    noc_async_writes_flushed();
  }
}

// The same, page by page and token by token, for more choices a token or longer rows than L1 has room for.
template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
[[gnu::noinline]] void map_large_rows(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t num_columns = args.layout.num_columns;
  const uint32_t page_elements = args.mapping.page_size / kWeightSize;
  const uint32_t page_address = scratch + args.scratch.batch;
  const L1Pointer<Bits<kWeightSize>> elements = l1_pointer<Bits<kWeightSize>>(page_address);
  const uint32_t share_end = min((worker + 1) * args.page_share, args.num_pages);
  for (uint32_t page = worker * args.page_share; page < share_end; ++page) {
    const uint32_t begin = page * page_elements;
    const uint32_t end_token = min((begin + page_elements - 1) / num_columns + 1, args.layout.num_tokens);
    start_zeroing(page_address, args.mapping.page_size);
    for (uint32_t token = begin / num_columns; token < end_token; ++token) {
      const uint32_t row = token * num_columns - begin;  // where it begins in the page, modulo 2^32
      const uint32_t last = (token + 1) * top_k;
      uint32_t count;
      for (uint32_t first = token * top_k; first < last; first += count) {
        count = min(args.slice, last - first);
        ChoiceReader<kIdSize, kWeightSize, Rows> choices(
            args.choices, row_map, scratch, scratch + args.scratch.weights);
        choices.start_reading(first, count);
        read_barrier();
        bool invalid = false;
        choices.visit_next(
            count,
            [&](uint32_t column, Bits<kWeightSize> weight) {
              if (row + column < page_elements) {
                elements[row + column] = weight;
              }
            },
            [&] { invalid = true; });
        if (invalid) {
          choices.record_visited(first, count, invalid_id);
        }
      }
    }
    DramRange<kMapping>(args.mapping).write_page(page, page_address);
    noc_async_writes_flushed();
  }
}

// Writes rows that follow each other in a bank; every step-th of the map, from `first` on.
[[gnu::noinline]] void write_rows(
    const tt_l1_ptr DramRangeArgs& args, uint32_t first, uint32_t step, uint32_t count, uint32_t source) {
  const DramRange<kMapping> mapping(args);
  // What a row is padded with is not ours to write; and a large one takes several transfers.
  if (args.row_size != args.page_size || args.page_size > kMaxPageSize) {
    for (uint32_t i = 0; i < count; ++i) {
      mapping.write_row(first + i * step, source + i * args.page_size);
    }
    return;
  }
  mapping.write_bank(first, count, source);
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void map_rows(
    const MappingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t top_k = args.choices.top_k;
  const uint32_t num_tokens = args.layout.num_tokens;
  const uint32_t row_elements = args.mapping.page_size / kWeightSize;
  const uint32_t num_banks = DramRange<kMapping>::num_banks();
  const RowReader<kIds> ids(args.choices.ids, scratch);
  const RowReader<kWeights> weights(args.choices.weights, scratch + kMaxPageSize);
  ChoiceReader<kIdSize, kWeightSize, Rows> choices(args.choices, row_map, 0, 0);
  const uint32_t batch_address = scratch + args.scratch.batch;
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
    start_zeroing(batch_address, count * args.mapping.page_size);
    ids.start_reading(first_token, num_banks, count);
    weights.start_reading(first_token, num_banks, count);
    read_barrier();

    L1Pointer<Bits<kWeightSize>> elements = l1_pointer<Bits<kWeightSize>>(batch_address);
    for (uint32_t i = 0; i < count; ++i, elements += row_elements) {
      choices.look_at(ids.row(i), weights.row(i));
      bool invalid = false;
      choices.visit_next(
          top_k,
          [&](uint32_t column, Bits<kWeightSize> weight) { elements[column] = weight; },
          [&] { invalid = true; });
      if (invalid) {
        choices.record_visited((first_token + i * num_banks) * top_k, top_k, invalid_id);
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
  } else if (args.has_large_rows) {
    map_large_rows<kIdSize, kWeightSize>(args, row_map, worker, scratch, invalid_id);
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
