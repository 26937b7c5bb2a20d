// The rows' lists: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights (E_padded, W).
//
// Words.  worker   one data-movement processor of one core (two a core)
//         team     team_cores cores that write team_rows consecutive rows; its 2 * team_cores workers are its members
//         slice    plan.slice consecutive choices, read by one member in one round
//         record   {token, weight} of one choice
//         segment  at most kSegment elements of one row: one write to DRAM
//
// In round r, member m
//   1 reads    slice r * members + m                                                      SliceSorter::start_reading
//   2 sorts    the slice's choices for the team's rows, by row                            SliceSorter::sort
//   3 sends    the table and the records to the same L1 address of every core of the
//              team, then adds 1 to every core's kSent                                    TeamLink::send
//   4 waits    until its core's kSent is (r + 1) * members                                TeamLink::wait
//   5 writes   its core's segments: processor 0 the tokens, processor 1 the weights       ListWriter::add
// and after the last round
//   6 pads     its core's share of what the rows have not been filled with                ListWriter::pad
//   7 member 0 writes the rows' counts                                                    ListWriter::write_counts
//
// Example.  T = 2, K = 2, E = 3, ids [[2, 0], [2, -1]]; one team of one core (two members), slice = 2, one round:
//   member 0  choices 0, 1   table [0 1 1 2]   records (0, w01) (0, w00)
//   member 1  choices 2, 3   table [0 0 0 1]   records (1, w10)
//   row 2     rank 0 from member 0, rank 1 from member 1: tokens [0 1 padding padding]
//
// What it relies on:
//   Order     Rows keep the input's order: members hold ascending slices, the sort is stable, and a row takes from the
//             members in turn.
//   kSent     It only grows within a launch, and the runtime sets it to 0 before each: no worker ever resets it.
//   Addresses The sorted slices have the same address on every core, since the shared circular buffer has.
//   Buffers   A member sends slice r + 1 only after all have sent slice r, and so after all have written round r - 1:
//             kRoundBuffers = 2 is enough.
//   Counts    Both processors of every core add up all tables, since each needs the count of every row.
//
// Few choices are best looked through by many teams of one core, many by few teams of many cores: the host decides
// (launch/prepare_routing.cpp).

#include <cstdint>
#include <type_traits>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/invalid_id.h"
#include "common/local_experts.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_routing.h"

namespace moe::tt::kernels {
namespace {

// A worker's team, and its place in it. Pure arithmetic; the members below are initialised in their order.
struct TeamShape {
  TeamShape(const RoutingArgs& args, uint32_t worker)
      : num_cores(args.plan.team_cores),
        num_members(num_cores * kProcessors),
        number(worker / num_members),
        member(worker - number * num_members),
        core(member / kProcessors),
        first_row(number * args.plan.team_rows),
        num_rows(min(args.plan.team_rows, args.num_rows - first_row)),
        first_expert_row(args.first_row + first_row),
        num_expert_rows(
            first_expert_row < row_limit(args.choices) ? min(num_rows, row_limit(args.choices) - first_expert_row)
                                                       : 0) {}

  const uint32_t num_cores;
  const uint32_t num_members;
  const uint32_t number;
  const uint32_t member;
  const uint32_t core;
  const uint32_t first_row;  // of the launch's rows
  const uint32_t num_rows;
  const uint32_t first_expert_row;  // the same row, among those of all launches
  const uint32_t num_expert_rows;   // of the team's rows; those after them are padding
};

// What the cores of a team send each other.
class TeamLink {
 public:
  explicit TeamLink(const TeamShape& team)
      : num_cores_(team.num_cores),
        num_members_(team.num_members),
        core_(team.core),
        first_core_(team.number * team.num_cores),
        sent_(get_semaphore(kSent)) {}

  // Copies bytes of L1 to the same address on all cores of the team, and tells them.
  void send(uint32_t address, uint32_t bytes) const {
    l1_fence();
    if (num_cores_ > 1) {
      for (uint32_t other = 0; other < num_cores_; ++other) {
        if (other != core_) {
          noc_async_write(address, on(other, address), bytes);
        }
      }
      noc_async_write_barrier();
    }
    for (uint32_t each = 0; each < num_cores_; ++each) {
      noc_semaphore_inc(on(each, sent_), 1);
    }
  }

  // Waits until all members have sent that many times.
  void wait(uint32_t times) const {
    noc_semaphore_wait_min(semaphore_pointer(sent_), times * num_members_);
    l1_fence();
  }

 private:
  uint64_t on(uint32_t core, uint32_t address) const {
    const uint32_t coordinates = get_common_arg_val<uint32_t>(kRoutingCoordinates + first_core_ + core);
    return get_noc_addr(coordinates >> 16, coordinates & 0xFFFF, address);
  }

  const uint32_t num_cores_;
  const uint32_t num_members_;
  const uint32_t core_;
  const uint32_t first_core_;
  const uint32_t sent_;
};

// Picks a team's choices from a slice and sorts them by row, stably.
template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
class SliceSorter {
 public:
  SliceSorter(const RoutingArgs& args, const Rows& row_map, const TeamShape& team, uint32_t scratch)
      : args_(args),
        team_(team),
        choices_(args.choices, row_map, scratch + args.scratch.choices, args.plan.slice),
        rows_(scratch + args.scratch.rows),
        found_(l1_pointer<uint32_t>(scratch + args.scratch.found)) {}

  void start_reading(uint32_t round) {
    const uint32_t total = args_.choices.num_tokens * args_.choices.top_k;
    first_ = min((round * team_.num_members + team_.member) * args_.plan.slice, total);
    count_ = min(args_.plan.slice, total - first_);
    choices_.start_reading(first_, count_);
  }

  // Leaves the sorted slice at an address; returns its bytes.
  uint32_t sort(uint32_t slice, InvalidId& invalid_id) {
    // The table: ends[0] stays zero. ends[1 + row] is first the row's number of choices, then the place of its next
    // one, and so, after the last one, where its records end.
    const L1Pointer<uint32_t> ends = l1_pointer<uint32_t>(slice);
    fill_words(slice, team_.num_expert_rows + 1, 0);
    choices_.finish_reading(first_, count_, rows_);
    check(invalid_id);

    uint32_t num_found = 0;
    if (team_.num_expert_rows > 0) {
      choices_.find(count_, team_.first_expert_row, team_.num_expert_rows, [&](uint32_t i, uint32_t row) {
        found_[num_found] = i;
        ++num_found;
        ends[1 + row] = ends[1 + row] + 1;
      });
    }
    uint32_t total = 0;
    for (uint32_t row = 0; row < team_.num_expert_rows; ++row) {
      const uint32_t row_count = ends[1 + row];
      ends[1 + row] = total;
      total += row_count;
    }
    const uint32_t records_address = slice + slice_table_size(team_.num_expert_rows);
    const L1Pointer<uint32_t> records = l1_pointer<uint32_t>(records_address);
    const uint32_t top_k = args_.choices.top_k;
    for (uint32_t found = 0; found < num_found; ++found) {
      const uint32_t i = found_[found];
      const uint32_t row = choices_.row(i) - team_.first_expert_row;
      const uint32_t place = ends[1 + row];
      ends[1 + row] = place + 1;
      records[place * kRecordWords + kRecordToken] = (first_ + i) / top_k;
      records[place * kRecordWords + kRecordWeight] = choices_.weight(i);
    }
    return records_address + num_found * kRecordSize - slice;
  }

 private:
  // Every team reads the slice; each looks for invalid ids in its own share of it.
  void check(InvalidId& invalid_id) const {
    const uint32_t share = div_up(count_, args_.plan.num_teams);
    for (uint32_t i = team_.number * share, end = min(i + share, count_); i < end; ++i) {
      choices_.visit_id(
          i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { invalid_id.record(first_ + i, low, high); });
    }
  }

  const RoutingArgs& args_;
  const TeamShape& team_;
  ChoiceReader<kIdSize, kWeightSize, Rows> choices_;
  uint32_t rows_;
  L1Pointer<uint32_t> found_;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

// Writes a core's share of the team's rows of one list, whose elements are a word of the records.
template <uint32_t kList, typename Element, uint32_t kRecordWord>
class ListWriter {
 public:
  ListWriter(const RoutingArgs& args, const TeamShape& team, const DramRangeArgs& list, uint32_t scratch)
      : team_(team),
        list_(list),
        counts_range_(args.counts),
        slice_stride_(args.slice_stride),
        row_width_(args.row_width),
        segments_(scratch + args.scratch.segments),
        next_segment_(segments_),
        counts_address_(
            scratch + args.scratch.counts +
            counts_range_.template element<sizeof(uint32_t)>(team.first_row).misalignment()),
        counts_(l1_pointer<uint32_t>(counts_address_)),
        round_counts_(l1_pointer<uint32_t>(scratch + args.scratch.round_counts)) {
    fill_words(counts_address_, team.num_rows, 0);
  }

  // Adds a round's sorted slices, which lie one after the other in L1, to the rows.
  void add(uint32_t slices) {
    uint32_t num_segments = 0;
    uint32_t begin = 0;
    for (uint32_t row = 0; row < team_.num_expert_rows; ++row) {
      uint32_t end = 0;
      uint32_t slice = slices + (row + 1) * sizeof(uint32_t);
      for (uint32_t i = 0; i < team_.num_members; ++i, slice += slice_stride_) {
        end += *l1_pointer<uint32_t>(slice);
      }
      round_counts_[row] = end - begin;
      num_segments += div_up(end - begin, kSegment);
      begin = end;
    }
    const WorkSplit split(num_segments, team_.core, team_.num_cores);
    uint32_t segment = 0;
    for (uint32_t row = 0; row < team_.num_expert_rows; ++row) {
      const uint32_t count = round_counts_[row];
      for (uint32_t from = 0; from < count; from += kSegment, ++segment) {
        if (segment >= split.begin && segment < split.end) {
          write_segment(slices, row, from, min(kSegment, count - from));
        }
      }
      counts_[row] = counts_[row] + count;
    }
  }

  // After the last round: counts what the rows have taken.
  void limit_counts() {
    for (uint32_t row = 0; row < team_.num_expert_rows; ++row) {
      counts_[row] = min(counts_[row], row_width_);
    }
  }

  // Bytes of padding in L1 that pad() takes.
  uint32_t padding_size() const {
    return list_.max_transfer();
  }

  // Writes padding where the rows have no elements.
  void pad(uint32_t padding_page) const {
    const uint32_t first = team_.first_row * row_width_;
    const WorkSplit split(team_.num_rows * row_width_, team_.core, team_.num_cores);
    uint32_t begin = first + split.begin;
    const uint32_t end = first + split.end;
    uint32_t row_begin = first;
    // A row without choices is part of one run of padding with the rows around it.
    for (uint32_t row = 0; row < team_.num_expert_rows; ++row, row_begin += row_width_) {
      if (counts_[row] > 0) {
        write_padding(begin, min(row_begin, end), padding_page);
        const uint32_t padding_begin = row_begin + counts_[row];
        begin = begin < padding_begin ? padding_begin : begin;
      }
    }
    write_padding(begin, end, padding_page);
  }

  void write_counts() const {
    const uint32_t bytes = team_.num_rows * sizeof(uint32_t);
    counts_range_.write(counts_range_.template element<sizeof(uint32_t)>(team_.first_row), bytes, counts_address_);
  }

 private:
  static constexpr uint32_t kSegmentScratch = elements_scratch(kSegment, sizeof(Element));

  FORCE_INLINE void write_padding(uint32_t begin, uint32_t end, uint32_t padding_page) const {
    if (begin < end) {
      list_.write_constant(
          list_.template element<sizeof(Element)>(begin), (end - begin) * sizeof(Element), padding_page);
    }
  }

  // Writes the elements of ranks [from, from + count) among those that a row gets in a round, as far as it has room.
  void write_segment(uint32_t slices, uint32_t row, uint32_t from, uint32_t count) {
    if (has_max_tokens()) {
      const uint32_t taken = counts_[row] + from;
      if (taken >= row_width_) {
        return;
      }
      count = min(count, row_width_ - taken);
    }
    if (next_segment_ == segments_ + kSegmentBuffers * kSegmentScratch) {
      write_barrier();
      next_segment_ = segments_;
    }
    const auto place = list_.template element<sizeof(Element)>(team_.first_row + row, counts_[row] + from, row_width_);
    const uint32_t segment = next_segment_ + place.misalignment();
    next_segment_ += kSegmentScratch;

    L1Pointer<Element> next = l1_pointer<Element>(segment);
    uint32_t left = count;
    for (uint32_t slice = slices; left > 0; slice += slice_stride_) {
      const L1Pointer<uint32_t> ends = l1_pointer<uint32_t>(slice);
      const uint32_t row_begin = ends[row];
      const uint32_t row_count = ends[row + 1] - row_begin;
      if (row_count <= from) {
        from -= row_count;
        continue;
      }
      const uint32_t taken = min(row_count - from, left);
      const uint32_t records = slice + slice_table_size(team_.num_expert_rows);
      L1Pointer<uint32_t> source = l1_pointer<uint32_t>(records + (row_begin + from) * kRecordSize) + kRecordWord;
      for (const L1Pointer<Element> end = next + taken; next < end; ++next, source += kRecordWords) {
        *next = static_cast<Element>(*source);
      }
      left -= taken;
      from = 0;
    }
    list_.write(place, count * sizeof(Element), segment);
  }

  const TeamShape& team_;
  DramRange<kList> list_;
  DramRange<kCounts> counts_range_;
  uint32_t slice_stride_;
  uint32_t row_width_;
  uint32_t segments_;
  uint32_t next_segment_;
  uint32_t counts_address_;
  L1Pointer<uint32_t> counts_;        // the rows' choices so far, also those that they have no room for
  L1Pointer<uint32_t> round_counts_;  // and those of the round
};

template <uint32_t kList, typename Element, uint32_t kRecordWord, typename Sorter, typename Rows>
FORCE_INLINE void prepare_routing(
    const RoutingArgs& args,
    const DramRangeArgs& list,
    uint32_t padding,
    const Rows& row_map,
    uint32_t worker,
    uint32_t scratch,
    InvalidId& invalid_id) {
  const TeamShape team(args, worker);
  if (team.number >= args.plan.num_teams) {
    return;
  }
  const uint32_t slice_stride = args.slice_stride;
  const uint32_t slices = align_up<uint32_t>(get_write_ptr(kSharedBuffer), kAlignment);
  const uint32_t padding_page = scratch + args.scratch.padding_page;

  const TeamLink link(team);
  Sorter sorter(args, row_map, team, scratch);
  ListWriter<kList, Element, kRecordWord> writer(args, team, list, scratch);

  for (uint32_t round = 0; round < args.plan.num_rounds; ++round) {
    const uint32_t buffer = slices + round % kRoundBuffers * team.num_members * slice_stride;
    const uint32_t slice = buffer + team.member * slice_stride;
    sorter.start_reading(round);
    if (round == 0) {
      fill_page(padding_page, writer.padding_size(), padding);
    }
    link.send(slice, sorter.sort(slice, invalid_id));
    link.wait(round + 1);
    writer.add(buffer);
  }
  if (has_max_tokens()) {
    writer.limit_counts();
  }
  writer.pad(padding_page);
  if (team.member == 0) {
    writer.write_counts();
  }
  noc_async_atomic_barrier();
  write_barrier();
  invalid_id.report(args.invalid_ids, worker, scratch);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt;
  using namespace moe::tt::kernels;
  run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t worker_scratch) {
    constexpr uint32_t kIdSize = decltype(id_size)::value;
    constexpr uint32_t kWeightSize = decltype(weight_size)::value;
    const auto& args = common_args<RoutingArgs>();
    with_row_map(args.choices, worker_scratch, [&](const auto& row_map, uint32_t scratch, InvalidId& invalid_id) {
      using Sorter = SliceSorter<kIdSize, kWeightSize, std::decay_t<decltype(row_map)>>;
      if (get_compile_time_arg_val(kProcessor) == 0) {
        prepare_routing<kTokenList, uint32_t, kRecordToken, Sorter>(
            args, args.tokens, moe::kPaddingToken, row_map, worker, scratch, invalid_id);
      } else {
        prepare_routing<kWeightList, Bits<kWeightSize>, kRecordWeight, Sorter>(
            args, args.weights, 0, row_map, worker, scratch, invalid_id);
      }
    });
  });
}
