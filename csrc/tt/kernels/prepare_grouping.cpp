// Rows sorted by group, with offsets: a counting sort over all cores.
//
// Words.  worker   one data-movement processor of one core (two a core)
//         share    what a worker, or a core, is responsible for: consecutive choices, groups or rows
//         slice    as many choices of its share as a worker holds at a time
//         record   {token + 1, weight} of one choice, in L1 of its row's core
//
// Every worker
//   1 counts   its choices of each group, and sends the counts to all cores
//   2 adds up  the rows of its groups, padding included, and sends their total to all cores
//   3 places   for each of its groups the first choice of every worker, and sends these rows to all cores
//   4 sends    each of its choices as a record to the core of its row; writes the choices' positions
//   5 writes   its core's rows: processor 0 the tokens, processor 1 the weights
// with a barrier of all workers after each step but the last.
//
// Example.  T = 2, K = 2, ids [[2, 0], [2, -1]], three groups, alignment 1; workers with two choices each:
//   1 counts     worker 0 [1 0 1], worker 1 [0 0 1]
//   2 totals     of groups 0, 1, 2: 1, 0, 2
//   3 next_rows  worker 0 [0 1 1], worker 1 [1 1 2]
//   4 positions  [[1, 0], [2, -1]]
//   5 tokens     [0 0 1]
//
// What it relies on:
//   Order      Workers hold ascending shares, and the rows of a group are theirs in turn.
//   Addresses  What cores send each other has the same address on all of them, since the shared circular buffer has.
//   Zeros      A core's records are zero before the first barrier, and arrive after the third.
//   Barriers   Semaphores only grow within a launch, and the runtime sets them to 0 before each.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/everyone.h"
#include "common/invalid_id.h"
#include "common/local_experts.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_grouping.h"

namespace moe::tt::kernels {
namespace {

// A worker's choices, slice by slice.
template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
class ChoiceShare {
 public:
  ChoiceShare(const GroupingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch)
      : args_(args),
        choices_(args.choices, row_map, scratch + args.scratch.ids, scratch + args.scratch.weights),
        positions_(args.positions),
        scratch_(scratch),
        worker_(worker) {
    const uint32_t total = args.choices.num_tokens * args.choices.top_k;
    begin_ = min(worker * args.plan.choice_share, total);
    end_ = min(begin_ + args.plan.choice_share, total);
  }

  void start_reading() {
    read_slice(begin_);
  }

  // Adds the choices of each group to `counts`, and reports ids that are none. The first slice is being read.
  void count(uint32_t counts_address, InvalidId& invalid_id) {
    const L1Pointer<uint32_t> counts = l1_pointer<uint32_t>(counts_address);
    for (uint32_t first = begin_; first < end_;) {
      finish_reading(first);
      bool invalid = false;
      choices_.visit_ids(
          0, count_, [&](uint32_t, uint32_t group) { counts[group] = counts[group] + 1; }, [&] { invalid = true; });
      if (invalid) {
        choices_.record_invalid(first, count_, invalid_id);
      }
      first += count_;
      if (first < end_) {
        read_slice(first);
      }
    }
  }

  // Sends each choice to the core of its row. `next_rows` has a word for each group, `stride` words apart.
  void send(uint32_t next_rows_address, uint32_t stride, uint32_t records) {
    const L1Pointer<uint32_t> next_rows = l1_pointer<uint32_t>(next_rows_address);
    const bool one_slice = end_ - begin_ <= args_.plan.slice;
    for (uint32_t first = begin_; first < end_; first += count_) {
      if (!one_slice) {
        read_slice(first);
        finish_reading(first);
      }
      const uint32_t positions =
          scratch_ + args_.scratch.positions + positions_.template element<sizeof(uint32_t)>(first).misalignment();
      send_slice(first, next_rows, stride, records, l1_pointer<uint32_t>(positions));
      if (args_.first_row == 0) {
        write_positions(first, positions);
      }
      write_barrier();
    }
  }

 private:
  void read_slice(uint32_t first) {
    count_ = min(args_.plan.slice, end_ - first);
    choices_.start_reading(first, count_);
  }

  void finish_reading(uint32_t first) const {
    choices_.finish_reading(first, count_, scratch_ + args_.scratch.rows);
  }

  void write_positions(uint32_t first, uint32_t source) const {
    if (!has_row_pages()) {
      positions_.write(positions_.template element<sizeof(uint32_t)>(first), count_ * sizeof(uint32_t), source);
      return;
    }
    const uint32_t top_k = args_.choices.top_k;
    const uint32_t end = (first + count_) / top_k;
    for (uint32_t row = first / top_k; row < end; ++row, source += positions_stride(top_k)) {
      positions_.write_row(row, source);
    }
  }

  // Leaves the row of each choice in positions. What the loop needs is in variables: the fence would have the compiler
  // read members again. A function of its own, so that they stay in registers.
  [[gnu::noinline]] void send_slice(
      uint32_t first,
      L1Pointer<uint32_t> next_rows,
      uint32_t stride,
      uint32_t records,
      L1Pointer<uint32_t> positions) const {
    const ChoiceReader<kIdSize, kWeightSize, Rows> choices = choices_;
    const uint32_t count = count_;
    const uint32_t top_k = args_.choices.top_k;
    const uint32_t to_end = args_.plan.num_choice_workers - worker_;  // from a group's next row to where it ends
    const uint32_t first_row = args_.first_row;
    const uint32_t num_rows = args_.num_rows;
    const uint32_t row_share_log2 = args_.plan.row_share_log2;
    const uint32_t core_mask = (1u << row_share_log2) - 1;
    uint32_t slot = scratch_ + args_.scratch.slots;
    uint32_t token = first / top_k + 1;
    uint32_t left = token * top_k - first;  // choices of the token
    const uint32_t padding = has_row_pages() ? positions_stride(top_k) / sizeof(uint32_t) - top_k : 0;
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t row = static_cast<uint32_t>(kNone);
      choices.visit_id(
          i,
          [&](uint32_t group) {
            const L1Pointer<uint32_t> next = next_rows + group * stride;
            row = *next;
            *next = row + 1;
            if (has_max_tokens() && row >= next[to_end]) {
              row = static_cast<uint32_t>(kNone);
              return;
            }
            const uint32_t launch_row = row - first_row;
            if (launch_row < num_rows) {
              const uint32_t source = slot + (launch_row & 1) * kGroupingRecordSize;
              const L1Pointer<uint32_t> record = l1_pointer<uint32_t>(source);
              record[kGroupingToken] = token;
              record[kGroupingWeight] = choices.weight(i);
              l1_fence();
              noc_async_write_one_packet(
                  source,
                  Everyone<kGroupingCoordinates>::on(
                      launch_row >> row_share_log2, records + (launch_row & core_mask) * kGroupingRecordSize),
                  kGroupingRecordSize);
            }
            slot += kRecordSlot;
          },
          [](uint32_t, uint32_t) {});
      *positions = row;
      ++positions;
      if (--left == 0) {
        left = top_k;
        ++token;
        positions += padding;
      }
    }
  }

  const GroupingArgs& args_;
  ChoiceReader<kIdSize, kWeightSize, Rows> choices_;
  DramRange<kPositions> positions_;
  uint32_t scratch_;
  uint32_t worker_;
  uint32_t begin_;
  uint32_t end_;
  uint32_t count_ = 0;
};

// A worker's groups.
class GroupShare {
 public:
  GroupShare(const GroupingArgs& args, uint32_t worker, uint32_t shared)
      : args_(args),
        worker_(worker),
        num_workers_(args.plan.num_choice_workers),
        shared_(shared),
        begin_(min(worker * args.plan.group_share, args.num_groups)),
        end_(min(begin_ + args.plan.group_share, args.num_groups)) {}

  // Leaves the number of rows of these groups in the worker's word of the totals; returns its address.
  uint32_t add_up() const {
    uint32_t total = 0;
    for (uint32_t group = begin_; group < end_; ++group) {
      total += padded(taken(sum_counts(group)));
    }
    const uint32_t address = shared_ + args_.shared.totals + worker_ * sizeof(uint32_t);
    *l1_pointer<uint32_t>(address) = total;
    return address;
  }

  // Leaves the first row of each worker in next_rows, and writes sizes and offsets.
  void place(uint32_t scratch) const {
    uint32_t row = 0;
    const L1Pointer<uint32_t> totals = l1_pointer<uint32_t>(shared_ + args_.shared.totals);
    uint32_t other = 0;
    for (; other + 4 <= worker_; other += 4) {
      row += totals[other] + totals[other + 1] + totals[other + 2] + totals[other + 3];
    }
    for (; other < worker_; ++other) {
      row += totals[other];
    }
    const DramRange<kGroupSizes> sizes_range(args_.sizes);
    const DramRange<kGroupOffsets> offsets_range(args_.offsets);
    const auto sizes_place = sizes_range.element<sizeof(uint32_t)>(begin_);
    const auto offsets_place = offsets_range.element<sizeof(uint32_t)>(begin_);
    const uint32_t sizes_address = scratch + args_.scratch.sizes + sizes_place.misalignment();
    const uint32_t offsets_address = scratch + args_.scratch.offsets + offsets_place.misalignment();
    L1Pointer<uint32_t> sizes = l1_pointer<uint32_t>(sizes_address);
    L1Pointer<uint32_t> offsets = l1_pointer<uint32_t>(offsets_address);
    const uint32_t stride = args_.shared.counts_stride;
    for (uint32_t group = begin_; group < end_; ++group, ++sizes, ++offsets) {
      const uint32_t begin = row;
      L1Pointer<uint32_t> next = l1_pointer<uint32_t>(next_rows(group));
      uint32_t counts = shared_ + args_.shared.counts + group * sizeof(uint32_t);
#pragma GCC unroll 4
      for (uint32_t i = 0; i < num_workers_; ++i, ++next, counts += stride) {
        *next = row;
        row += *l1_pointer<uint32_t>(counts);
      }
      const uint32_t size = taken(row - begin);
      if (has_max_tokens()) {
        *next = begin + size;
      }
      *sizes = size;
      *offsets = begin;
      row = begin + padded(size);
    }
    *offsets = row;  // where the last group ends; the next worker's first one begins there
    if (begin_ < end_ && args_.first_row == 0) {
      const uint32_t count = end_ - begin_;
      const uint32_t last = end_ == args_.num_groups ? 1 : 0;
      sizes_range.write(sizes_place, count * sizeof(uint32_t), sizes_address);
      offsets_range.write(offsets_place, (count + last) * sizeof(uint32_t), offsets_address);
    }
  }

  uint32_t next_rows_address() const {
    return next_rows(begin_);
  }

  uint32_t next_rows_bytes() const {
    return (end_ - begin_) * stride() * sizeof(uint32_t);
  }

 private:
  uint32_t next_rows(uint32_t group) const {
    return shared_ + args_.shared.next_rows + group * stride() * sizeof(uint32_t);
  }

  uint32_t sum_counts(uint32_t group) const {
    uint32_t sum = 0;
    uint32_t counts = shared_ + args_.shared.counts + group * sizeof(uint32_t);
    const uint32_t stride = args_.shared.counts_stride;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < num_workers_; ++i, counts += stride) {
      sum += *l1_pointer<uint32_t>(counts);
    }
    return sum;
  }

  uint32_t stride() const {
    return next_rows_stride(num_workers_, has_max_tokens());
  }

  // Of a group's choices.
  uint32_t taken(uint32_t count) const {
    return has_max_tokens() ? min(count, args_.max_tokens) : count;
  }

  uint32_t padded(uint32_t size) const {
    return align_up<uint32_t>(size, args_.alignment);
  }

  const GroupingArgs& args_;
  const uint32_t worker_;
  const uint32_t num_workers_;
  const uint32_t shared_;
  const uint32_t begin_;
  const uint32_t end_;
};

// Writes a core's rows of one list, whose elements are a word of the records less `less`.
template <uint32_t kList, typename Element>
FORCE_INLINE void write_list(
    const GroupingArgs& args,
    const DramRangeArgs& list_args,
    uint32_t word,
    uint32_t less,
    uint32_t core,
    uint32_t records,
    uint32_t scratch) {
  const uint32_t share = 1u << args.plan.row_share_log2;
  const uint32_t begin = min(core * share, args.num_rows);
  const uint32_t count = min(share, args.num_rows - begin);
  if (count == 0) {
    return;
  }
  const DramRange<kList> list(list_args);
  const auto place = list.template element<sizeof(Element)>(args.first_row + begin);
  const uint32_t address = scratch + args.scratch.list + place.misalignment();
  L1Pointer<Element> element = l1_pointer<Element>(address);
  L1Pointer<uint32_t> source = l1_pointer<uint32_t>(records) + word;
#pragma GCC unroll 8
  for (uint32_t i = 0; i < count; ++i, ++element, source += kGroupingRecordWords) {
    *element = static_cast<Element>(*source - less);
  }
  list.write(place, count * sizeof(Element), address);
}

template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void prepare_grouping(
    const GroupingArgs& args, const Rows& row_map, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const uint32_t core = worker / kProcessors;
  const uint32_t processor = worker % kProcessors;
  if (core >= args.plan.num_cores) {
    return;
  }
  const uint32_t shared = align_up<uint32_t>(get_write_ptr(kSharedBuffer), kAlignment);
  const uint32_t counts = shared + args.shared.counts + worker * args.shared.counts_stride;
  const uint32_t records = shared + args.shared.records;

  Everyone<kGroupingCoordinates> everyone(args.plan.num_cores, worker);
  ChoiceShare<kIdSize, kWeightSize, Rows> choices(args, row_map, worker, scratch);
  const GroupShare groups(args, worker, shared);

  const bool has_choices = worker < args.plan.num_choice_workers;
  if (has_choices) {
    choices.start_reading();
    start_zeroing(counts, args.shared.counts_stride);
  }
  if (processor == 0) {
    start_zeroing(records, kGroupingRecordSize << args.plan.row_share_log2);
  }
  read_barrier();
  if (has_choices) {
    choices.count(counts, invalid_id);
    everyone.send(counts, args.num_groups * sizeof(uint32_t));
  }
  everyone.barrier();

  everyone.send(groups.add_up(), sizeof(uint32_t));
  everyone.barrier();

  groups.place(scratch);
  everyone.send(groups.next_rows_address(), groups.next_rows_bytes());
  everyone.barrier();

  if (has_choices) {
    choices.send(
        shared + args.shared.next_rows + worker * sizeof(uint32_t),
        next_rows_stride(args.plan.num_choice_workers, has_max_tokens()),
        records);
  }
  everyone.barrier();

  if (processor == 0) {
    write_list<kGroupedTokens, uint32_t>(args, args.tokens, kGroupingToken, 1, core, records, scratch);
  } else {
    write_list<kGroupedWeights, Bits<kWeightSize>>(args, args.weights, kGroupingWeight, 0, core, records, scratch);
  }
  noc_async_atomic_barrier();
  write_barrier();
  if (args.first_row == 0) {
    invalid_id.report(args.invalid_ids, worker, scratch);
  }
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt::kernels;
  run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t worker_scratch) {
    constexpr uint32_t kIdSize = decltype(id_size)::value;
    constexpr uint32_t kWeightSize = decltype(weight_size)::value;
    const auto& args = common_args<GroupingArgs>();
    with_row_map(args.choices, worker_scratch, [&](const auto& row_map, uint32_t scratch, InvalidId& invalid_id) {
      prepare_grouping<kIdSize, kWeightSize>(args, row_map, worker, scratch, invalid_id);
    });
  });
}
