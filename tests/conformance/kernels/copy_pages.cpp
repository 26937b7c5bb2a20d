// Copies pages [first, first + count) of one buffer to another: (first, count), and for all cores (address of the
// source, address of the target, page size).

#include "l1.h"

void kernel_main() {
  const uint32_t page_size = get_common_arg_val<uint32_t>(2);
  const auto source = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0), page_size);
  const auto target = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(1), page_size);
  const uint32_t address = get_write_ptr(0);
  const uint32_t first = get_arg_val<uint32_t>(0);
  const uint32_t end = first + get_arg_val<uint32_t>(1);
  for (uint32_t page = first; page < end; ++page) {
    noc_async_read(source.get_noc_addr(page), address, page_size);
    noc_async_read_barrier();
    noc_async_write(address, target.get_noc_addr(page), page_size);
    noc_async_write_barrier();
  }
}
