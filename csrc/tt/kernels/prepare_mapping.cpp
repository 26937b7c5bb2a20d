// The dense map (T, E). Every worker owns a range of its pages, builds them in L1 from the choices of the tokens that
// they cover, and writes them whole.

#include <cstdint>

#include "choices.h"
#include "memory.h"
#include "protocol.h"

namespace moe::tt::kernels {
namespace {

template <uint32_t kIdSize, uint32_t kWeightSize>
void prepare_mapping(uint32_t worker, uint32_t arena) {
  const auto args = common_args<MappingArgs>();
  const uint32_t num_choices = args.choices.num_choices;
  const uint32_t num_experts = args.choices.num_experts;
  const FlatMemory mapping(args.mapping);

  const uint32_t page_elements = mapping.page_size() / kWeightSize;
  const uint32_t num_elements = args.choices.num_tokens * num_experts;
  const Share pages(ceil_divide(num_elements, page_elements), worker, args.num_workers);

  Choices<kIdSize, kWeightSize> choices(args.choices, arena, args.chunk);
  const uint32_t block_address = arena + choices.room(args.chunk);
  const L1Pointer<Bits<kWeightSize>> block = l1_pointer<Bits<kWeightSize>>(block_address);

  Fault fault;
  for (uint32_t page = pages.begin; page < pages.end; page += args.block_pages) {
    const uint32_t block_pages = min(args.block_pages, pages.end - page);
    const uint32_t block_elements = block_pages * page_elements;
    const uint32_t begin = page * page_elements;
    const uint32_t end = begin + min(block_elements, num_elements - begin);
    const uint32_t first_token = begin / num_experts;
    const uint32_t end_token = (end - 1) / num_experts + 1;

    uint32_t first = first_token * num_choices;
    const uint32_t last = end_token * num_choices;
    uint32_t count = min(args.chunk, last - first);
    choices.start_reading(first, count);
    // While the choices are on their way. What the block held must have been written.
    write_barrier();
    fill_words(block_address, block_elements * kWeightSize / sizeof(uint32_t), 0);

    uint32_t row = first_token * num_experts - begin;  // where the token's row begins in the block, modulo 2^32
    uint32_t k = 0;
    while (count > 0) {
      read_barrier();
      for (uint32_t i = 0; i < count;) {
        for (const uint32_t row_end = min(i + num_choices - k, count); i < row_end; ++i, ++k) {
          choices.visit_id(
              i,
              [&](uint32_t expert) {
                const uint32_t element = row + expert;
                if (element < block_elements) {
                  block[element] = choices.weight(i);
                }
              },
              [&](uint32_t low, uint32_t high) { fault.record(first + i, low, high); });
        }
        if (k == num_choices) {
          k = 0;
          row += num_experts;
        }
      }
      first += count;
      count = min(args.chunk, last - first);
      choices.start_reading(first, count);
    }
    for (uint32_t i = 0; i < block_pages; ++i) {
      mapping.write_page(page + i, block_address + i * mapping.page_size());
    }
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
