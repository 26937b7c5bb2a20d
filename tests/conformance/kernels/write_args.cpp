// Writes to a page what this processor was given, and where it is: (page, any word), and for all cores (address of the
// target, page size, any word). The words are those two, the compile-time argument, x and y, and the processor.

#include "l1.h"

void kernel_main() {
  constexpr auto target_args = TensorAccessorArgs<0>();
  const uint32_t page_size = get_common_arg_val<uint32_t>(1);
  const auto target = TensorAccessor(target_args, get_common_arg_val<uint32_t>(0), page_size);
  // Each processor has a circular buffer of its own.
  const uint32_t address = get_write_ptr(noc_index);
  *word_at(address) = get_arg_val<uint32_t>(1);
  *word_at(address + 4) = get_common_arg_val<uint32_t>(2);
  *word_at(address + 8) = get_compile_time_arg_val(target_args.next_compile_time_args_offset());
  *word_at(address + 12) = get_absolute_logical_x();
  *word_at(address + 16) = get_absolute_logical_y();
  *word_at(address + 20) = noc_index;
  noc_async_write(address, target.get_noc_addr(get_arg_val<uint32_t>(0)), page_size);
  noc_async_write_barrier();
}
