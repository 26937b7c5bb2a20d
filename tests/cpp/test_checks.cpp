// What only TORCH_TT_EMULATED_CHECKS=all finds, at the use: bytes that are not there yet, not the kernel's, or
// nobody's.

#include <string>
#include <vector>

#include "device.h"
#include "testing.h"
#include "tt/runtime/emulated/execution/tsan.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

struct AllChecks {
  Environment checks{"TORCH_TT_EMULATED_CHECKS", "all"};
};

const std::string kFirst = "circular buffer 0 [104224, 104480)";

std::string before_barrier(const std::string& what, uint32_t noc = 0) {
  return "expected noc_async_read_barrier on noc " + std::to_string(noc) + " before " + what + " in " + kFirst +
         ", which a read is to bring";
}

std::string without_hold(const std::string& what, uint32_t page) {
  return "expected cb_reserve_back or cb_wait_front, and no cb_push_back or cb_pop_front since, before " + what +
         " in " + kFirst + ": the kernel has no hold of page " + std::to_string(page);
}

// Two cores write to a page: bytes from a place on, and when they tell the other.
std::string two_write(uint32_t first_from, uint32_t first_tells, uint32_t second_from, uint32_t second_tells) {
  auto device = open_wormhole();
  auto target = to_device(*device, iota(16), 64);
  ProgramDescription description{"p", {0, 2}, {{0, 64}}, {0}, {kernel("write_page_of_two", {}, {0, 2})}};
  auto [first_x, first_y] = device->noc_coordinates(0);
  auto [second_x, second_y] = device->noc_coordinates(1);
  description.kernels[0].runtime_args = {
      {second_x, second_y, first_from, first_tells}, {first_x, first_y, second_from, second_tells}};
  description.kernels[0].compile_args = accessor_args({target});
  return failure_of(*device, description, {target}, {target->address()});
}

}  // namespace

TEST(check_reads_have_arrived) {
  AllChecks all;
  Rule rule;
  CHECK_EQ(rule.broken_by("use_before_barrier", {1, 0}), before_barrier("a load of 4 bytes at 104284", 1));
  CHECK_EQ(rule.broken_by("use_before_barrier", {1, 1}), before_barrier("a store of 4 bytes at 104284", 1));
  CHECK_EQ(rule.broken_by("use_before_barrier", {1, 2}), before_barrier("an access of 4 bytes at 104284", 1));
  CHECK_EQ(rule.broken_by("use_before_barrier", {1, 3}), before_barrier("an access of 8 bytes at 104224", 1));
  CHECK_EQ(rule.broken_by("use_before_barrier", {1, 4}), before_barrier("a write of 16 bytes at 104272", 1));
}

TEST(check_bytes_are_written) {
  AllChecks all;
  Rule rule;
  // What the last launch left is nobody's.
  CHECK_EQ(rule.broken_by("write_words"), "who? ");
  const std::string nobody = " in " + kFirst + ", which nobody has written in this launch";
  const std::string expected = "expected bytes that something wrote, got ";
  CHECK_EQ(rule.broken_by("load_unwritten", {0}), "who? ");
  CHECK_EQ(rule.broken_by("load_unwritten", {1}), expected + "a load of 4 bytes at 104228" + nobody);
  CHECK_EQ(rule.broken_by("update_unwritten"), expected + "an access of 4 bytes at 104236" + nobody);
  CHECK_EQ(rule.broken_by("copy_unwritten"), expected + "a load of 4 bytes at 104292" + nobody);
  CHECK_EQ(rule.broken_by("load_from_dram"), "who? ");
  rule.is_written = false;
  CHECK_EQ(
      rule.broken_by("load_from_dram"),
      expected + "a load of 4 bytes at 104232 in " + kFirst + ", which came from DRAM that nobody wrote");
  // A launch's shadow must not be taken for one of long before.
  rule.is_written = true;
  CHECK_EQ(rule.broken_by("write_words"), "who? ");
  for (int i = 0; i < 40; ++i) {
    CHECK_EQ(rule.broken_by("load_unwritten", {1}), expected + "a load of 4 bytes at 104228" + nobody);
  }
}

TEST(check_pointers_stay_in_their_buffer) {
  CHECK_EQ(Rule().broken_by("leave_the_buffer"), "expected an access inside " + kFirst + ", got 4 bytes at 104480");
}

TEST(check_queues_give_pages) {
  AllChecks all;
  Rule rule;
  CHECK_EQ(rule.broken_by("load_without_wait"), without_hold("a load of 4 bytes at 104224", 0));
  CHECK_EQ(rule.broken_by("load_after_pop"), without_hold("a load of 4 bytes at 104224", 0));
  CHECK_EQ(rule.broken_by("store_after_push"), without_hold("a store of 4 bytes at 104224", 0));
  CHECK_EQ(rule.broken_by("store_beyond_reserved"), without_hold("a store of 4 bytes at 104288", 1));
  CHECK_EQ(rule.broken_by("read_beyond_reserved"), without_hold("a read of 64 bytes at 104288", 1));
  CHECK_EQ(rule.broken_by("write_without_wait"), without_hold("a write of 64 bytes at 104224", 0));
}

TEST(check_sources_stay_as_they_are) {
  AllChecks all;
  const auto changed = [](const std::string& barrier) {
    return "expected the source of a write to stay as it is until " + barrier +
           ", but some of the 64 bytes at 104224 changed before it";
  };
  Rule rule;
  CHECK_EQ(rule.broken_by("change_source", {0}), changed("noc_async_writes_flushed or a barrier"));
  CHECK_EQ(rule.broken_by("change_source", {1}), changed("noc_async_writes_flushed or a barrier"));
  CHECK_EQ(rule.broken_by("change_source", {2}), changed("noc_async_posted_writes_flushed"));
}

TEST(check_semaphores_lose_nothing) {
  AllChecks all;
  CHECK_EQ(
      Rule().broken_by("store_to_semaphore"),
      "expected noc_semaphore_set, got a plain store to semaphore 0, which gets lost among others' increments");
  CHECK_EQ(
      Rule().broken_by("store_to_semaphore_by_pointer"),
      "expected semaphore 0 to be 3 at the end, as noc_semaphore_set and increments made it, got 1: a plain store to "
      "it, by a kernel on this core, may have undone others' increments");
  auto device = open_wormhole();
  auto [x, y] = device->noc_coordinates(0);
  ProgramDescription description{"p", {0, 2}, {}, {0}, {kernel("set_or_increment", {}, {0, 2})}};
  description.kernels[0].runtime_args = {{x, y, 1}, {x, y, 0}};
  const std::string first = "kernel 'set_or_increment' on core (0, 0), riscv0";
  const std::string second = "kernel 'set_or_increment' on core (1, 0), riscv0";
  const std::string end =
      ", and nothing says which comes first; expected a wait between them, or the one that comes first gets lost";
  const std::string message = failure_of(*device, description);
  // Whichever comes last.
  CHECK(
      message == "program 'p': " + first + ": sets a semaphore that " + second + ", increments" + end ||
      message == "program 'p': " + second + ": increments a semaphore that " + first + ", sets" + end);
}

TEST(check_dram_is_written_in_an_order) {
  AllChecks all;
  CHECK_EQ(two_write(0, 2, 16, 3), std::string());
  CHECK_EQ(two_write(0, 0, 32, 0), std::string());
  if (emulated::kThreadSanitizer) {
    return;  // it sees these races too
  }
  const std::string unordered =
      "program 'p': kernel 'write_page_of_two' on core (0, 0), riscv0: expected an order between it and kernel "
      "'write_page_of_two' on core (1, 0), riscv0, a semaphore or a circular buffer, since both write 16 bytes at "
      "address 48 of DRAM bank 0";
  CHECK_EQ(two_write(0, 0, 16, 0), unordered);
  CHECK_EQ(two_write(0, 1, 16, 3), unordered);  // told before the barrier
}
