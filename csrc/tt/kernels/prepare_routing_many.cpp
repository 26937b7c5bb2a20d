// The rows' lists: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights (E_padded, W), where there
// are many choices: a counting sort over all cores, which takes about as long wherever the choices go.
//
// Words.  worker   one data-movement processor of one core (two a core)
//         team     plan.team_cores cores that take consecutive choices together
//         slice    plan.slice choices that one worker counts; those of a team follow each other
//         rank     a choice's place in its row
//         run      what a team has for a row in a round: consecutive ranks
//
// In each round, every worker
//   1 reads     half of its team's choices into L1 that its core's workers share           TeamChoices::start_reading
//   2 counts    a slice of them for each row, and sends the counts to all cores            TeamChoices::count
//   3 adds up   for each of a share of the rows where every team's run begins, and sends
//               these ranks to all cores                                                   RowShare::add_up
//   4 writes    the team's runs of its core's share of the rows: processor 0 the tokens,
//               processor 1 the weights                                                    ListWriter
// with a barrier of all workers after steps 2 and 3. After the last round it
//   5 pads      its core's share of what the rows have not been filled with                ListWriter::pad
//   6 writes    the counts of the rows of step 3                                           RowShare::write_counts
//
// Example.  T = 2, K = 2, E = 3, ids [[2, 0], [2, -1]]; two teams of one core, slice = 1:
//   counts     of the four workers  [0 0 1] [1 0 0] [0 0 1] [0 0 0]
//   ranks      row 0 [0 1 1]   row 1 [0 0 0]   row 2 [0 1 2]
//   team 0     rows 0 and 2 from rank 0: tokens 0 and 0
//   team 1     row 2 from rank 1: token 1
//
// A run costs a command, a choice that a core looks at a few instructions: the more cores a team has, the fewer and the
// longer are the runs of each, and the more choices it looks at (launch/prepare_routing_many.cpp).
//
// What it relies on:
//   Order      Teams hold ascending choices, and the ranks of a row are theirs in turn.
//   Addresses  What cores send each other has the same address on all of them, since the shared circular buffer has.
//   Rounds     Counts are sent again only after the barrier that ends step 3, and ranks after the one that ends step 2,
//              which a worker comes to when it has written its runs. Choices are read again only after another barrier,
//              for the core's other worker still looks at them in step 4.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/everyone.h"
#include "common/invalid_id.h"
#include "common/list_writer.h"
#include "common/local_experts.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_routing_many.h"

namespace moe::tt::kernels {
namespace {

// The choices of a team in a round.
template <uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
class TeamChoices {
 public:
  TeamChoices(const RoutingManyArgs& args, const Rows& row_map, uint32_t worker, uint32_t shared, uint32_t scratch)
      : args_(args),
        worker_(worker),
        choices_(args.routing.choices, row_map, shared + args.shared.ids, shared + args.shared.weights),
        rows_(scratch + args.scratch.rows) {}

  // Of a core without a team, the round has none.
  void start_reading(uint32_t round, uint32_t team, uint32_t member) {
    const uint32_t slice = args_.plan.slice;
    const uint32_t half = args_.plan.team_cores * slice;
    const uint32_t total = args_.routing.choices.num_tokens * args_.routing.choices.top_k;
    const uint32_t processor = worker_ % kProcessors;
    first_ = min((round * args_.plan.num_teams + team) * kProcessors * half, total);
    count_ = team < args_.plan.num_teams ? min(kProcessors * half, total - first_) : 0;
    begin_ = min(processor * half, count_);
    end_ = min((processor + 1) * half, count_);
    count_begin_ = min(begin_ + member * slice, end_);
    count_end_ = min(count_begin_ + slice, end_);
    choices_.start_reading(first_, end_, begin_);
  }

  // Adds this worker's choices for each row to `counts`, and reports ids that are none.
  void count(L1Pointer<RoutingCount> counts, InvalidId& invalid_id) const {
    choices_.finish_reading(first_, end_, rows_, begin_);
    const uint32_t first_row = args_.routing.first_row;
    const uint32_t num_rows = args_.routing.num_rows;
    bool invalid = false;
    choices_.visit_ids(
        count_begin_,
        count_end_,
        [&](uint32_t, uint32_t row) {
          if (!has_some_rows()) {
            counts[row] = counts[row] + 1;
          } else if (row - first_row < num_rows) {
            counts[row - first_row] = counts[row - first_row] + 1;
          }
        },
        [&] { invalid = true; });
    if (invalid) {
      choices_.record_invalid(first_, count_end_, invalid_id, count_begin_);
    }
  }

  // Puts the tokens of the choices for some rows into these rows' runs.
  [[gnu::noinline]] void put_tokens(uint32_t first_row, uint32_t num_rows, L1Pointer<uint32_t> cursors) const {
    const uint32_t top_k = args_.routing.choices.top_k;
    uint32_t token = first_ / top_k;
    uint32_t next = (token + 1) * top_k - first_;  // the first choice of the token after it
    choices_.template find<16>(
        0,
        count_,
        [&](uint32_t row) { return row - first_row < num_rows; },
        [&](uint32_t i, uint32_t row) {
          for (; i >= next; next += top_k) {
            ++token;
          }
          put<uint32_t>(cursors, row - first_row, token);
        });
  }

  // The same with their weights.
  [[gnu::noinline]] void put_weights(uint32_t first_row, uint32_t num_rows, L1Pointer<uint32_t> cursors) const {
    choices_.template find<16>(
        0,
        count_,
        [&](uint32_t row) { return row - first_row < num_rows; },
        [&](uint32_t i, uint32_t row) { put<Bits<kWeightSize>>(cursors, row - first_row, choices_.weight(i)); });
  }

 private:
  const RoutingManyArgs& args_;
  const uint32_t worker_;
  ChoiceReader<kIdSize, kWeightSize, Rows> choices_;
  uint32_t rows_;
  uint32_t first_ = 0;  // the team's first choice
  uint32_t count_ = 0;  // its choices
  uint32_t begin_ = 0;  // those that the worker reads, among them
  uint32_t end_ = 0;
  uint32_t count_begin_ = 0;  // those that it counts
  uint32_t count_end_ = 0;
};

// The rows whose choices a worker adds up.
class RowShare {
 public:
  RowShare(const RoutingManyArgs& args, uint32_t worker, uint32_t shared)
      : args_(args),
        shared_(shared),
        stride_((args.plan.num_teams + 1) * sizeof(uint32_t)),
        begin_(min(worker * args.plan.row_share, args.routing.num_rows)),
        end_(min(begin_ + args.plan.row_share, args.routing.num_rows)),
        choices_end_(min(end_, num_choice_rows(args.routing.choices, args.routing.first_row, args.routing.num_rows))) {}

  // Leaves the ranks of these rows, and sends them to all cores.
  template <typename Workers>
  void add_up(const Workers& everyone, bool is_first_round) const {
    if (begin_ >= choices_end_) {
      return;
    }
    const uint32_t num_teams = args_.plan.num_teams;
    const uint32_t stride = args_.shared.counts_stride;
    const uint32_t team_stride = args_.plan.team_cores * kProcessors * stride;
    for (uint32_t row = begin_; row < choices_end_; ++row) {
      L1Pointer<uint32_t> next = l1_pointer<uint32_t>(ranks(row));
      uint32_t counts = shared_ + args_.shared.counts + row * sizeof(RoutingCount);
      uint32_t rank = is_first_round ? 0 : next[num_teams];
      for (const L1Pointer<uint32_t> end = next + num_teams; next < end; ++next) {
        *next = rank;
        for (const uint32_t team_end = counts + team_stride; counts < team_end; counts += kProcessors * stride) {
          rank += *l1_pointer<RoutingCount>(counts) + *l1_pointer<RoutingCount>(counts + stride);
        }
      }
      *next = rank;
    }
    everyone.send(ranks(begin_), (choices_end_ - begin_) * stride_);
  }

  // Starts writing how many choices these rows have taken.
  void write_counts(uint32_t scratch) const {
    if (begin_ == end_) {
      return;
    }
    const DramRange<kCounts> range(args_.routing.counts);
    const auto place = range.element<sizeof(uint32_t)>(begin_);
    const uint32_t address = scratch + args_.scratch.row_counts + place.misalignment();
    L1Pointer<uint32_t> count = l1_pointer<uint32_t>(address);
    for (uint32_t row = begin_; row < end_; ++row, ++count) {
      *count = row < choices_end_ ? count_of(row) : 0;
    }
    range.write(place, (end_ - begin_) * sizeof(uint32_t), address);
  }

  // Choices that a row has taken, once all have been added up.
  FORCE_INLINE uint32_t count_of(uint32_t row) const {
    const uint32_t count = l1_pointer<uint32_t>(ranks(row))[args_.plan.num_teams];
    return has_max_tokens() ? min(count, args_.routing.row_width) : count;
  }

  // From a row's ranks to the next one's.
  FORCE_INLINE uint32_t stride() const {
    return stride_;
  }

  // A word for each team, and one more.
  FORCE_INLINE uint32_t ranks(uint32_t row) const {
    return shared_ + args_.shared.ranks + row * stride_;
  }

 private:
  const RoutingManyArgs& args_;
  const uint32_t shared_;
  const uint32_t stride_;
  const uint32_t begin_;
  const uint32_t end_;
  const uint32_t choices_end_;
};

// Calls `run(row, rank, count)` for each of so many rows for which a team has a run. `ranks` is where the team's word
// of the first one is, `stride` leads to the next one's.
template <typename Run>
FORCE_INLINE void for_each_run(uint32_t ranks, uint32_t stride, uint32_t num_rows, const Run& run) {
  for (uint32_t row = 0; row < num_rows; ++row, ranks += stride) {
    const L1Pointer<uint32_t> rank = l1_pointer<uint32_t>(ranks);
    const uint32_t begin = rank[0];
    const uint32_t end = rank[1];
    if (begin != end) {
      run(row, begin, end - begin);
    }
  }
}

template <uint32_t kList, typename Element, uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void prepare_routing(
    const RoutingManyArgs& args,
    const tt_l1_ptr DramRangeArgs& list,
    uint32_t padding,
    const Rows& row_map,
    uint32_t worker,
    uint32_t scratch,
    InvalidId& invalid_id) {
  const uint32_t num_cores = args.plan.num_cores;
  const uint32_t core = worker / kProcessors;
  if (core >= num_cores) {
    return;
  }
  const uint32_t shared = align_up<uint32_t>(get_write_ptr(kSharedBuffer), kAlignment);
  const uint32_t counts = shared + args.shared.counts + worker * args.shared.counts_stride;
  const uint32_t padding_page = scratch + args.scratch.padding_page;
  const uint32_t num_rows = num_choice_rows(args.routing.choices, args.routing.first_row, args.routing.num_rows);
  const WorkSplit padded(args.routing.num_rows * args.routing.row_width, core, num_cores);
  // The core's place in its team, and its rows.
  const uint32_t team = core / args.plan.team_cores;
  const uint32_t member = core - team * args.plan.team_cores;
  const uint32_t first_row = min(member * args.plan.team_row_share, num_rows);
  const uint32_t team_rows = min(args.plan.team_row_share, num_rows - first_row);

  Everyone<kRoutingManyCoordinates> everyone(num_cores, worker);
  TeamChoices<kIdSize, kWeightSize, Rows> choices(args, row_map, worker, shared, scratch);
  const RowShare rows(args, worker, shared);
  ListWriter<kList, Element> writer(
      list, args.routing.row_width, first_row, scratch + args.scratch.cursors, scratch + args.scratch.runs);

  for (uint32_t round = 0; round < args.plan.num_rounds; ++round) {
    choices.start_reading(round, team, member);
    start_zeroing(counts, args.shared.counts_stride);
    if (round == 0) {
      fill_region(padding_page, writer.padding_size(padded.end - padded.begin), padding);
    }
    read_barrier();
    choices.count(l1_pointer<RoutingCount>(counts), invalid_id);
    everyone.send(counts, num_rows * sizeof(RoutingCount));
    everyone.barrier();

    rows.add_up(everyone, round == 0);
    everyone.barrier();

    if (team < args.plan.num_teams) {
      const auto for_each = [&](const auto& run) {
        for_each_run(rows.ranks(first_row) + team * sizeof(uint32_t), rows.stride(), team_rows, run);
      };
      writer.forget_runs();
      for_each([&](uint32_t row, uint32_t rank, uint32_t count) { writer.reserve(row, rank, count); });
      const uint32_t first_choice_row = args.routing.first_row + first_row;
      if (kList == kTokenList) {
        choices.put_tokens(first_choice_row, team_rows, writer.cursors());
      } else {
        choices.put_weights(first_choice_row, team_rows, writer.cursors());
      }
      for_each([&](uint32_t row, uint32_t rank, uint32_t count) { writer.write(row, rank, count); });
    }
    if (round + 1 < args.plan.num_rounds) {
      everyone.barrier();
    }
  }
  writer.pad(padded.begin, padded.end, num_rows, padding_page, [&](uint32_t row) { return rows.count_of(row); });
  rows.write_counts(scratch);
  noc_async_atomic_barrier();
  write_barrier();
  invalid_id.report(args.routing.invalid_ids, worker, scratch);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt;
  using namespace moe::tt::kernels;
  run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t worker_scratch) {
    constexpr uint32_t kIdSize = decltype(id_size)::value;
    constexpr uint32_t kWeightSize = decltype(weight_size)::value;
    const auto& args = common_args<RoutingManyArgs>();
    with_row_map(
        args.routing.choices, worker_scratch, [&](const auto& row_map, uint32_t scratch, InvalidId& invalid_id) {
          if (get_compile_time_arg_val(kProcessor) == 0) {
            prepare_routing<kTokenList, uint32_t, kIdSize, kWeightSize>(
                args, args.routing.tokens, moe::kPaddingToken, row_map, worker, scratch, invalid_id);
          } else {
            prepare_routing<kWeightList, Bits<kWeightSize>, kIdSize, kWeightSize>(
                args, args.routing.weights, 0, row_map, worker, scratch, invalid_id);
          }
        });
  });
}
