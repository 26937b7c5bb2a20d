// The dense map (T, E). Every worker owns a range of its pages, builds them in L1 from the choices of the tokens that
// they cover, and writes each as soon as it is complete.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/protocol.h"

namespace moe::tt::kernels {
namespace {

// Takes the choices by value: with a reference to them they would not stay in registers.
template <typename Choices>
[[gnu::noinline, gnu::cold]] void record_invalid(Choices choices, uint32_t first, uint32_t count, Fault& fault) {
  for (uint32_t i = 0; i < count; ++i) {
    choices.visit_id(i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { fault.record(first + i, low, high); });
  }
}

// A function of its own: what the kernel is about stays in registers across it.
[[gnu::noinline]] void write_page(FlatMemory memory, uint32_t page, uint32_t source) {
  memory.write({page, 0}, memory.page_size(), source);
}

template <uint32_t kIdSize, uint32_t kWeightSize>
FORCE_INLINE void prepare_mapping(uint32_t worker, uint32_t arena) {
  const auto& args = common_args<MappingArgs>();
  const uint32_t num_choices = args.choices.num_choices;
  const uint32_t num_experts = args.choices.num_experts;
  const uint32_t chunk = args.chunk;
  const FlatMemory mapping(args.mapping);

  const uint32_t page_elements = mapping.page_size() / kWeightSize;
  const uint32_t num_elements = args.choices.num_tokens * num_experts;
  const Share pages(args.num_pages, worker, args.num_workers);

  Choices<kIdSize, kWeightSize> choices(args.choices, arena, chunk);
  const uint32_t block_address = arena + choices.room(chunk);
  const L1Pointer<Bits<kWeightSize>> block = l1_pointer<Bits<kWeightSize>>(block_address);

  Fault fault;
  for (uint32_t page = pages.begin; page < pages.end;) {
    const uint32_t block_pages = min(args.block_pages, pages.end - page);
    const uint32_t block_elements = block_pages * page_elements;
    const uint32_t begin = page * page_elements;
    const uint32_t end = begin + min(block_elements, num_elements - begin);
    const uint32_t first_token = begin / num_experts;
    const uint32_t end_token = (end - 1) / num_experts + 1;

    // What the block held must have been sent.
    noc_async_writes_flushed();
    start_zeroing(block_address, block_elements * kWeightSize);

    uint32_t page_address = block_address;
    uint32_t page_end = page_elements;  // in the block
    const auto write_pages = [&](uint32_t complete) {
      for (; page_end <= complete; page_end += page_elements) {
        write_page(mapping, page, page_address);
        page_address += mapping.page_size();
        ++page;
      }
    };

    uint32_t row = first_token * num_experts - begin;  // where the token's row begins in the block, modulo 2^32
    uint32_t row_rest = num_choices;                   // choices of the token that have not been read
    uint32_t count;
    const uint32_t last = end_token * num_choices;
    for (uint32_t first = first_token * num_choices; first < last; first += count) {
      count = min(chunk, last - first);
      choices.start_reading(first, count);
      read_barrier();
      bool invalid = false;
      for (uint32_t i = 0; i < count;) {
        const uint32_t row_end = i + min(row_rest, count - i);
        choices.visit_ids(
            i,
            row_end,
            [&](uint32_t choice, uint32_t expert) {
              const uint32_t element = row + expert;
              if (element < block_elements) {
                block[element] = choices.weight(choice);
              }
            },
            [&] { invalid = true; });
        row_rest -= row_end - i;
        i = row_end;
        if (row_rest == 0) {
          row_rest = num_choices;
          row += num_experts;
          write_pages(min(row, block_elements));
        }
      }
      if (invalid) {
        record_invalid(choices, first, count, fault);
      }
    }
    write_pages(block_elements);
  }
  write_barrier();
  fault.report(args.faults, worker, arena);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  moe::tt::kernels::run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t arena) {
    moe::tt::kernels::prepare_mapping<decltype(id_size)::value, decltype(weight_size)::value>(worker, arena);
  });
}
