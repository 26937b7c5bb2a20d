// The rows' lists: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights (E_padded, W), where there
// are few choices: every core looks through all of them for those of its own rows, and no core waits for another.
//
// Each of a core's two workers
//   1 reads     half of the choices into L1 that both share
//   2 fills     the core's rows of one list in its L1 with padding: processor 0 the tokens', processor 1 the weights'
//   3 finds     the choices for these rows in its half                                     FoundChoices::find
//   4 waits     for the other one
//   5 puts      what both have found into the rows                                         CoreRows::put
//   6 writes    the rows, and every other of their counts                                  CoreRows::write
//
// Example.  T = 2, K = 2, E = 3, ids [[2, 0], [2, -1]]; the core with row 2:
//   found      by worker 0 choice 0, by worker 1 choice 2
//   row 2      tokens [0 1 padding padding], count 2
//
// The first half of the choices is processor 0's: taken in turn, what the workers have found is in the input's order.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/invalid_id.h"
#include "common/local_experts.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "prepare_routing_few.h"

namespace moe::tt::kernels {
namespace {

// The choices for a core's rows that one of its workers has found.
class FoundChoices {
 public:
  FoundChoices(const RoutingFewArgs& args, uint32_t shared, uint32_t processor)
      : end_(l1_pointer<uint32_t>(shared + args.shared.found + processor * args.shared.found_stride)),
        begin_(shared + args.shared.found + processor * args.shared.found_stride + sizeof(uint32_t)) {}

  // Finds those in [begin, end) for the core's rows.
  template <typename Choices>
  FORCE_INLINE void find(
      const RoutingFewArgs& args, const Choices& choices, uint32_t core, uint32_t begin, uint32_t end) const {
    const uint32_t top_k = args.routing.choices.top_k;
    const uint32_t cores_log2 = args.plan.num_cores_log2;
    const uint32_t mask = (1u << cores_log2) - 1;
    const uint32_t first_row = args.routing.first_row;  // a multiple of the number of cores
    const uint32_t num_rows = num_choice_rows(args.routing.choices, first_row, args.routing.num_rows);
    uint32_t next = begin_;
    choices.template find<32>(
        begin,
        end,
        [&](uint32_t row) { return (row & mask) == core; },
        [&](uint32_t i, uint32_t row) {
          if (row - first_row < num_rows) {
            const L1Pointer<uint32_t> found = l1_pointer<uint32_t>(next);
            found[kFoundRow] = (row - first_row) >> cores_log2;
            found[kFoundToken] = i / top_k;
            found[kFoundWeight] = choices.weight(i);
            next += kFoundWords * sizeof(uint32_t);
          }
        });
    *end_ = next;
  }

  // Calls `visit(row, element)` for each: a word of it.
  template <uint32_t kElement, typename Visit>
  FORCE_INLINE void for_each(const Visit& visit) const {
    const uint32_t end = *end_;
    for (uint32_t next = begin_; next < end; next += kFoundWords * sizeof(uint32_t)) {
      const L1Pointer<uint32_t> found = l1_pointer<uint32_t>(next);
      visit(found[kFoundRow], found[kElement]);
    }
  }

 private:
  L1Pointer<uint32_t> end_;
  uint32_t begin_;
};

// A core's rows of one list, in L1.
template <uint32_t kList, typename Element>
class CoreRows {
 public:
  CoreRows(const RoutingFewArgs& args, const tt_l1_ptr DramRangeArgs& list, uint32_t core, uint32_t scratch)
      : args_(args),
        list_(list),
        core_(core),
        count_(core < args.routing.num_rows ? ((args.routing.num_rows - core - 1) >> args.plan.num_cores_log2) + 1 : 0),
        row_size_(args.routing.row_width * sizeof(Element)),
        stride_(kList == kTokenList ? args.scratch.token_stride : args.scratch.weight_stride),
        memory_(scratch + args.scratch.list),
        cursors_(l1_pointer<uint32_t>(scratch + args.scratch.cursors)) {}

  // Fills the rows with padding: a word of it.
  FORCE_INLINE void fill(uint32_t padding) const {
    const bool is_short = row_size_ <= kAlignment;
    if (!is_short) {
      fill_region(memory_, count_ * stride_ + kAlignment, padding);
    }
    for (uint32_t row = 0; row < count_; ++row) {
      const uint32_t begin = address(row, place(row));
      cursors_[row] = begin;
      if (is_short) {  // to ask the NoC for copies would take longer
        fill_words(begin & ~3u, row_size_ / sizeof(uint32_t) + 1, padding);
      }
    }
  }

  // Puts a row's next element, if the row has room.
  FORCE_INLINE void put(uint32_t row, Element element) const {
    const uint32_t cursor = cursors_[row];
    if (has_max_tokens() && cursor == address(row, place(row)) + row_size_) {
      return;
    }
    *l1_pointer<Element>(cursor) = element;
    cursors_[row] = cursor + sizeof(Element);
  }

  // Starts writing the rows, and the counts of those whose numbers are `processor` modulo kProcessors.
  FORCE_INLINE void write(uint32_t processor, uint32_t counts) const {
    const DramRange<kCounts> counts_range(args_.routing.counts);
    for (uint32_t row = 0; row < count_; ++row, counts += kAlignment) {
      const auto row_place = place(row);
      const uint32_t begin = address(row, row_place);
      list_.write(row_place, row_size_, begin);
      if (row % kProcessors == processor) {
        const auto count_place = counts_range.template element<sizeof(uint32_t)>(number(row));
        const uint32_t source = counts + count_place.misalignment();
        *l1_pointer<uint32_t>(source) = (cursors_[row] - begin) / sizeof(Element);
        counts_range.write(count_place, sizeof(uint32_t), source);
      }
    }
  }

 private:
  // A row's number among those of the launch.
  FORCE_INLINE uint32_t number(uint32_t row) const {
    return core_ + (row << args_.plan.num_cores_log2);
  }

  FORCE_INLINE auto place(uint32_t row) const {
    return list_.template element<sizeof(Element)>(number(row), 0, args_.routing.row_width);
  }

  template <typename Place>
  FORCE_INLINE uint32_t address(uint32_t row, const Place& place) const {
    return memory_ + row * stride_ + place.misalignment();
  }

  const RoutingFewArgs& args_;
  const DramRange<kList> list_;
  const uint32_t core_;
  const uint32_t count_;
  const uint32_t row_size_;
  const uint32_t stride_;
  const uint32_t memory_;
  const L1Pointer<uint32_t> cursors_;  // for each row, where its next element goes
};

// Tells the core's other worker that this one has come here, and waits until it has, too.
FORCE_INLINE void wait_for_each_other() {
  const uint32_t looked = get_semaphore(kLooked);
  l1_fence();
  noc_semaphore_inc(get_noc_addr(looked), 1);
  noc_semaphore_wait_min(semaphore_pointer(looked), kProcessors);
  l1_fence();
}

template <uint32_t kList, uint32_t kElement, typename Element, uint32_t kIdSize, uint32_t kWeightSize, typename Rows>
FORCE_INLINE void prepare_routing(
    const RoutingFewArgs& args,
    const tt_l1_ptr DramRangeArgs& list,
    uint32_t padding,
    const Rows& row_map,
    uint32_t worker,
    uint32_t scratch,
    InvalidId& invalid_id) {
  const uint32_t core = worker / kProcessors;
  const uint32_t processor = worker % kProcessors;
  const uint32_t num_cores = 1u << args.plan.num_cores_log2;
  if (core >= num_cores) {
    return;
  }
  const uint32_t shared = align_up<uint32_t>(get_write_ptr(kSharedBuffer), kAlignment);
  const uint32_t total = args.routing.choices.num_tokens * args.routing.choices.top_k;
  const uint32_t begin = min(processor * args.plan.slice, total);
  const uint32_t end = min(begin + args.plan.slice, total);
  ChoiceReader<kIdSize, kWeightSize, Rows> choices(
      args.routing.choices, row_map, shared + args.shared.ids, shared + args.shared.weights);
  choices.start_reading(0, end, begin);
  const CoreRows<kList, Element> rows(args, list, core, scratch);
  rows.fill(padding);
  choices.finish_reading(0, end, scratch + args.scratch.rows, begin);

  FoundChoices(args, shared, processor).find(args, choices, core, begin, end);
  // Every core reads all choices; each looks for invalid ids in its own share of them.
  for (uint32_t i = begin + core; i < end; i += num_cores) {
    choices.visit_id(i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { invalid_id.record(i, low, high); });
  }
  wait_for_each_other();

  for (uint32_t other = 0; other < kProcessors; ++other) {
    FoundChoices(args, shared, other).template for_each<kElement>([&](uint32_t row, uint32_t element) {
      rows.put(row, static_cast<Element>(element));
    });
  }
  rows.write(processor, scratch + args.scratch.counts);
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
    const auto& args = common_args<RoutingFewArgs>();
    with_row_map(
        args.routing.choices, worker_scratch, [&](const auto& row_map, uint32_t scratch, InvalidId& invalid_id) {
          if (get_compile_time_arg_val(kProcessor) == 0) {
            prepare_routing<kTokenList, kFoundToken, uint32_t, kIdSize, kWeightSize>(
                args, args.routing.tokens, moe::kPaddingToken, row_map, worker, scratch, invalid_id);
          } else {
            prepare_routing<kWeightList, kFoundWeight, Bits<kWeightSize>, kIdSize, kWeightSize>(
                args, args.routing.weights, 0, row_map, worker, scratch, invalid_id);
          }
        });
  });
}
