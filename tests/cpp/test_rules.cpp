// Each rule of the chip, broken by a small kernel, and the message that says so.

#include <string>
#include <vector>

#include "device.h"
#include "testing.h"

using namespace moe::tt;
using namespace moe::tt::runtime;
using namespace testing;

namespace {

const std::string kRegions =
    "(semaphore 0 [33568, 33572), circular buffer 0 [104224, 104480), circular buffer 1 [104480, 104496))";

}  // namespace

TEST(rule_nothing_is_outstanding_at_the_end) {
  Rule rule;
  CHECK_EQ(
      rule.broken_by("end_with_read"),
      "ended with 1 read(s) outstanding on noc 0; expected noc_async_read_barrier before the end");
  CHECK_EQ(
      rule.broken_by("end_with_write"),
      "ended with 1 write(s) outstanding on noc 0; expected noc_async_write_barrier before the end");
  CHECK_EQ(
      rule.broken_by("end_with_flushed_write"),
      "ended with 1 write(s) outstanding on noc 0; expected noc_async_write_barrier before the end");
  CHECK_EQ(
      rule.broken_by("end_with_posted_write"),
      "ended with 1 posted write(s) outstanding on noc 0; expected noc_async_posted_writes_flushed before the end");
  CHECK_EQ(
      rule.broken_by("end_with_atomic"),
      "ended with 1 atomic(s) outstanding on noc 0; expected noc_async_atomic_barrier before the end");
  CHECK_EQ(
      rule.broken_by("barrier_on_the_other_noc"),
      "ended with 1 read(s) outstanding on noc 1; expected noc_async_read_barrier before the end");
}

TEST(rule_reads_from_dram_are_aligned) {
  CHECK_EQ(
      Rule().broken_by("read_bytes", {0, 16, 16}),
      "expected source and destination of a read from DRAM to agree modulo 32, got addresses 32 (0) and 104240 (16)");
  CHECK_EQ(
      Rule(open_blackhole()).broken_by("read_bytes", {0, 32, 16}),
      "expected source and destination of a read from DRAM to agree modulo 64, got addresses 64 (0) and 111392 (32)");
}

TEST(rule_other_transfers_are_aligned) {
  CHECK_EQ(
      Rule().broken_by("write_bytes", {0, 8, 16}),
      "expected source and destination of a write to DRAM to agree modulo 16, got addresses 104232 (8) and 32 (0)");
  CHECK_EQ(
      Rule().broken_by("read_from_own_l1"),
      "expected source and destination of a read from L1 to agree modulo 16, got addresses 104232 (8) and 104288 (0)");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {21, 19, 104232, 16}),
      "expected source and destination of a write to L1 to agree modulo 16, got addresses 104224 (0) and 104232 (8)");
}

TEST(rule_transfers_stay_in_a_page) {
  CHECK_EQ(
      Rule().broken_by("read_bytes", {32, 0, 64}),
      "the source of a read: expected a transfer to stay inside a page of 64 bytes, or to be of whole ones, got 64 "
      "bytes from byte 32 of page "
      "0 "
      "of the DRAM buffer at address 32; what follows in the bank is another page");
}

TEST(rule_transfers_stay_in_buffers_of_the_launch) {
  CHECK_EQ(
      Rule().broken_by("read_page", {3}),
      "the source of a read: expected a page below 3 of the DRAM buffer at address 32, got page 3");
  CHECK_EQ(
      Rule().broken_by("read_page", {12}),
      "the source of a read: expected an address inside a buffer that was passed to the launch, got address 96 of DRAM "
      "bank 0");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {0, 2, 0, 16}),
      "the destination of a write: expected an address inside a buffer that was passed to the launch, got address 0 of "
      "DRAM bank 2");
}

TEST(rule_what_is_only_read_is_not_written) {
  Rule rule;
  rule.num_written = 0;
  CHECK_EQ(rule.broken_by("read_bytes", {0, 0, 16}), "who? ");
  CHECK_EQ(
      rule.broken_by("write_bytes", {0, 0, 16}),
      "the destination of a write: expected a buffer that the launch writes, got the DRAM buffer at address 32, which "
      "it only reads");
}

TEST(rule_transfers_have_bytes) {
  CHECK_EQ(Rule().broken_by("read_bytes", {0, 0, 0}), "expected a transfer of one byte or more, got one of 0 bytes");
}

TEST(rule_one_packet_is_one_packet) {
  CHECK_EQ(
      Rule().broken_by("one_packet", {8224}),
      "expected at most 8192 bytes, the chip's largest packet, in a one-packet transfer, got 8224");
  CHECK_EQ(
      Rule(open_blackhole()).broken_by("one_packet", {16416}),
      "expected at most 16384 bytes, the chip's largest packet, in a one-packet transfer, got 16416");
}

TEST(rule_transfers_keep_the_state_of_others) {
  CHECK_EQ(
      Rule().broken_by("read_between_states"),
      "expected a set_state of a read on noc 0 before a read with_state, and no other read between them");
}

TEST(rule_transfers_stay_in_regions_of_l1) {
  CHECK_EQ(
      Rule().broken_by("read_bytes", {0, 224, 64}),
      "expected the destination of a read to stay inside one of the program's regions of L1 " + kRegions +
          ", got 64 bytes at 104448 of core (2, 1)");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {21, 19, 104496, 16}),
      "expected the destination of a write to stay inside one of the program's regions of L1 " + kRegions +
          ", got 16 bytes at 104496 of core (3, 1)");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {21, 19, 33568, 16}),
      "expected the destination of a write to stay inside one of the program's regions of L1 " + kRegions +
          ", got 16 bytes at 33568 of core (3, 1)");
}

TEST(rule_the_zeros_of_the_firmware_are_read_and_no_more) {
  CHECK_EQ(
      Rule().broken_by("read_zeros", {513}),
      "expected the source of a read to stay inside one of the program's regions of L1 " + kRegions +
          ", got 513 bytes at 13184 of core (2, 1)");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {21, 19, 13184, 16}),
      "expected the destination of a write to stay inside one of the program's regions of L1 " + kRegions +
          ", got 16 bytes at 13184 of core (3, 1)");
}

TEST(rule_transfers_go_to_cores_of_the_program) {
  CHECK_EQ(
      Rule().broken_by("write_to_node", {22, 19, 104224, 16}),
      "expected the destination of a write to be on a core of the program, got core (4, 1)");
  CHECK_EQ(
      Rule().broken_by("write_to_node", {2, 1, 104224, 16}),
      "expected the destination of a write to be at the NoC coordinates of a core or a DRAM bank, got (2, 1); pass NoC "
      "coordinates to a kernel, not logical ones");
  CHECK_EQ(
      Rule().broken_by("multicast_as_unicast"),
      "expected the destination of a write to be at one node, got a multicast address");
}

TEST(rule_multicasts_know_their_destinations) {
  CHECK_EQ(
      Rule().broken_by("multicast", {20, 19, 21, 19, 2}),
      "expected a multicast's num_dests to be the number of cores in its rectangle but for the sender, one or more: 1, "
      "got 2");
  CHECK_EQ(
      Rule().broken_by("multicast", {20, 19, 20, 19, 0}),
      "expected a multicast's num_dests to be the number of cores in its rectangle but for the sender, one or more: 0, "
      "got 0");
  CHECK_EQ(
      Rule().broken_by("multicast", {21, 19, 20, 19, 1}),
      "expected a multicast's rectangle on noc 0 to start at its lowest coordinates, got the start (21, 19) and the "
      "end "
      "(20, 19)");
  CHECK_EQ(
      Rule().broken_by("multicast", {20, 18, 21, 19, 3}),
      "expected the destination of a multicast to be on a core of the program, got core (2, 0)");
}

TEST(rule_linked_multicasts_end) {
  CHECK_EQ(
      Rule().broken_by("linked_multicast", {20, 19, 21, 19, 1}),
      "ended with 1 linked multicast(s) outstanding on noc 0; expected a multicast that is not linked, and keeps the "
      "path no longer, before the end");
}

TEST(rule_words_go_to_l1) {
  CHECK_EQ(
      Rule().broken_by("inline_write_to_dram"), "expected the destination of an inline write in L1, got one in DRAM");
  CHECK_EQ(Rule().broken_by("increment_data"), "expected the address of a semaphore, got 104224");
}

TEST(rule_loads_stay_in_the_region) {
  CHECK_EQ(
      Rule().broken_by("load_element", {64}),
      "expected an access inside circular buffer 0 [104224, 104480), got 4 bytes at 104480");
  CHECK_EQ(
      Rule().broken_by("load_element", {0xFFFFFFFF}),
      "expected an access inside circular buffer 0 [104224, 104480), got 4 bytes at 17179973404");
  CHECK_EQ(
      Rule().broken_by("load_from_nowhere"),
      "expected an L1 address in one of the program's regions " + kRegions + ", got 16");
}

TEST(rule_loads_are_aligned) {
  CHECK_EQ(Rule().broken_by("load_word", {2}), "expected an L1 address aligned to 4 bytes, got 104226");
}

TEST(rule_arguments_are_there) {
  CHECK_EQ(
      Rule().broken_by("argument_that_is_not_there", {7}), "expected the index of a run-time argument below 1, got 1");
  CHECK_EQ(
      Rule().broken_by("common_argument_that_is_not_there"),
      "expected the index of a common run-time argument below 2, got 2");
  CHECK_EQ(
      Rule().broken_by("compile_argument_that_is_not_there"),
      "expected the index of a compile-time argument below 2, got 3");
  Rule rule;
  rule.compile_args = {64, 2};
  CHECK_EQ(
      rule.broken_by("accessor_of_nothing"),
      "expected compile-time argument 0 to be 2, tt-metal's configuration of a tensor interleaved over DRAM, with the "
      "page size after it, got 64");
}

TEST(rule_semaphores_are_semaphores) {
  CHECK_EQ(Rule().broken_by("semaphore_that_is_not_there"), "expected the id of a semaphore below 1, got 1");
  CHECK_EQ(Rule().broken_by("wait_on_data"), "expected the address of a semaphore " + kRegions + ", got 104224");
  CHECK_EQ(
      Rule().broken_by("wait_on_host_memory"),
      "expected a pointer into the core's L1, got another one; take it from "
      "CoreLocalMem<...>(address).get_unsafe_ptr()");
}

TEST(rule_circular_buffers_are_queues) {
  CHECK_EQ(
      Rule().broken_by("queue_that_is_not_there"), "expected a circular buffer of the program " + kRegions + ", got 7");
  CHECK_EQ(Rule().broken_by("reserve_too_much"), "expected from 1 to the 4 pages of circular buffer 0, got 5");
  CHECK_EQ(
      Rule().broken_by("push_without_reserve"),
      "expected cb_reserve_back before cb_push_back: of circular buffer 0 the kernel has reserved 0 pages, got 4");
  CHECK_EQ(
      Rule().broken_by("pop_without_wait"),
      "expected cb_wait_front before cb_pop_front: of circular buffer 0 the kernel has waited for 0 pages, got 1");
  CHECK_EQ(
      Rule().broken_by("push_across_the_end"),
      "expected the pages pushed or popped to meet the end of circular buffer 0 exactly: 4 pages, got 3 from page 3 "
      "on");
}
