// Buffers: their addresses, what the host reads and writes, and what kernels find there.

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "open_device.h"
#include "testing.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

// Bytes that differ from their neighbours, also across pages.
std::vector<std::byte> pattern(size_t size, uint32_t seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 131 + i / 251 + seed) % 256);
  }
  return bytes;
}

}  // namespace

TEST(properties_make_sense) {
  auto device = open_device();
  const DeviceProperties& properties = device->properties();
  CHECK(properties.architecture == "wormhole_b0" || properties.architecture == "blackhole");
  CHECK(!properties.name.empty());
  CHECK(properties.num_cores() > 1);
  CHECK(properties.l1_unreserved < properties.l1_size);
  CHECK(properties.dram_banks > 0);
  CHECK(properties.dram_size > 0);
  CHECK(properties.dram_alignment >= 32);
}

TEST(buffers_have_addresses_of_their_own) {
  auto device = open_device();
  const DeviceProperties& properties = device->properties();
  const uint32_t page_size = 2 * properties.dram_alignment;
  std::vector<std::shared_ptr<Buffer>> buffers;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{page_size}, uint64_t{100} * page_size + 1}) {
    const auto& buffer = buffers.emplace_back(device->allocate(size, page_size));
    CHECK_EQ(buffer->page_size(), page_size);
    CHECK_EQ(buffer->size(), size == 0 ? page_size : round_up(size, page_size));
    CHECK_EQ(buffer->address() % properties.dram_alignment, 0u);
    CHECK(buffer->address() > 0);
  }
  // The same range in every bank, that of no other buffer.
  const auto end = [&](const Buffer& buffer) {
    const uint64_t pages = buffer.size() / page_size;
    return buffer.address() + (pages + properties.dram_banks - 1) / properties.dram_banks * page_size;
  };
  for (const auto& one : buffers) {
    for (const auto& other : buffers) {
      CHECK(one == other || end(*one) <= other->address() || end(*other) <= one->address());
    }
  }
}

TEST(the_host_reads_what_it_wrote_at_any_offset) {
  auto device = open_device();
  const uint32_t page_size = 3 * device->properties().dram_alignment;
  // Two rows of pages over the banks, and a piece of a third.
  const uint64_t size = uint64_t{page_size} * (2 * device->properties().dram_banks + 3);
  const auto buffer = device->allocate(size, page_size);
  std::vector<std::byte> expected = pattern(size, 0);
  device->write(buffer, 0, expected);
  const uint64_t row = uint64_t{page_size} * device->properties().dram_banks;
  const std::vector<std::pair<uint64_t, uint64_t>> ranges{
      {0, 1},
      {3, 7},
      {page_size - 1, 2},
      {page_size, page_size},
      {5, 3 * page_size},
      {row - 1, 2},
      {row, row},
      {1, size - 2},
      {size - 1, 1},
      {size, 0},
      {17, 0}};
  uint32_t seed = 1;
  for (const auto& [offset, count] : ranges) {
    const std::vector<std::byte> bytes = pattern(count, 50 * seed++);
    device->write(buffer, offset, bytes);
    std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(offset));
    std::vector<std::byte> back(count);
    device->read(buffer, offset, back);
    CHECK(back == bytes);
  }
  std::vector<std::byte> all(size);
  device->read(buffer, 0, all);
  CHECK(all == expected);
}

TEST(only_the_rest_of_the_last_page_may_be_lost) {
  auto device = open_device();
  const uint32_t page_size = 2 * device->properties().dram_alignment;
  const uint64_t size = uint64_t{page_size} * (device->properties().dram_banks + 3);
  for (const auto& [offset, count] :
       {std::pair<uint64_t, uint64_t>{0, size - 1}, {0, 5}, {page_size, 1}, {3, 7}, {7, size - page_size}, {0, size}}) {
    std::vector<std::byte> expected = pattern(size, 0);
    const auto buffer = device->allocate(size, page_size);
    device->write(buffer, 0, expected);
    const std::vector<std::byte> bytes = pattern(count, 99);
    device->write(buffer, offset, bytes, RestOfPage::kUndefined);
    std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(offset));
    std::vector<std::byte> all(size);
    device->read(buffer, 0, all);
    const auto lost = static_cast<std::ptrdiff_t>(offset + count);
    const auto kept = static_cast<std::ptrdiff_t>(round_up(offset + count, page_size));
    CHECK(std::equal(all.begin(), all.begin() + lost, expected.begin()));
    CHECK(std::equal(all.begin() + kept, all.end(), expected.begin() + kept));
  }
}

TEST(a_kernel_sees_pages_where_the_host_wrote_them) {
  auto device = open_device();
  for (const uint32_t page_size :
       {device->properties().dram_alignment, 3 * device->properties().dram_alignment, 1024u}) {
    const uint32_t num_pages = 2 * device->properties().dram_banks + 1;
    const std::vector<uint32_t> words = iota(num_pages * page_size / 4, page_size);
    const auto source = to_device(*device, words, page_size);
    const auto target = to_device(*device, std::vector<uint32_t>(words.size()), page_size);
    launch(*device, copy(*device, *source), {source, target}, copy_args(*source, *target));
    CHECK(to_host(*device, target) == words);
    CHECK(to_host(*device, source) == words);
  }
}

TEST(out_of_memory_gives_the_amounts) {
  auto device = open_device();
  const DeviceProperties& properties = device->properties();
  for (const uint64_t size : {properties.dram_size + 1, ~uint64_t{0}}) {
    try {
      device->allocate(size, 1024);
      CHECK(!"out of memory");
    } catch (const OutOfMemory& error) {
      const std::string message = error.what();
      CHECK(message.starts_with(str("out of device memory: tried to allocate ", size, " bytes (")));
      CHECK(message.find(str(" in each of ", properties.dram_banks, " DRAM banks), but of ")) != std::string::npos);
      CHECK_EQ(error.requested, size);
      CHECK(error.free > 0);
      CHECK(error.free <= properties.dram_size);
    }
  }
  // The device stays usable.
  CHECK(to_host(*device, to_device(*device, iota(256), 1024)) == iota(256));
}

TEST(page_sizes_are_checked) {
  auto device = open_device();
  const uint32_t alignment = device->properties().dram_alignment;
  for (const uint32_t page_size : {0u, 16u, alignment + 16, alignment + 1}) {
    CHECK_THROWS(
        DeviceError,
        device->allocate(64, page_size),
        str("a DRAM buffer's page size must be a multiple of the DRAM alignment of ",
            alignment,
            " bytes, got ",
            page_size));
  }
}

TEST(ranges_are_checked) {
  auto device = open_device();
  const auto buffer = device->allocate(1000, 64);
  std::vector<std::byte> bytes(100);
  const std::string message = "expected a range inside the buffer's 1024 bytes, got 100 bytes from byte ";
  CHECK_THROWS(DeviceError, device->read(buffer, 925, bytes), message + "925");
  CHECK_THROWS(DeviceError, device->write(buffer, 925, bytes), message + "925");
  CHECK_THROWS(DeviceError, device->read(buffer, ~uint64_t{0}, bytes), message + "18446744073709551615");
}

TEST(memory_of_others_is_on_chips_that_they_lend) {
  auto device = open_device();
  CHECK_THROWS(
      DeviceError,
      device->view(0, 1024, 1024),
      "expected memory of a chip that other code of this process has opened, as ttnn; none is lent here");
}
