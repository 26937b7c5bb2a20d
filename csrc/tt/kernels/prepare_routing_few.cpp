// The rows' lists: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights (E_padded, W), where there
// are few choices: every core looks through all of them for those of its own rows, and no core waits for another.
//
// Each of a core's two workers
//   1 reads     half of the choices into L1 that both share
//   2 fills     the core's rows of one list in its L1 with padding: processor 0 the tokens', processor 1 the weights'
//   3 finds     the choices for these rows in its half                                     FoundChoices::find
//   4 waits     for the other one
//   5 writes    the rows, into which it copies what both have found, and every other
//               of their counts                                                            CoreRows::write
//
// Example.  T = 2, K = 2, E = 3, ids [[2, 0], [2, -1]]; the core with row 2:
//   found      for row 2 by worker 0 choice 0, by worker 1 choice 2
//   row 2      tokens [0 1 padding padding], count 2
//
// The first half of the choices is processor 0's: one after the other, what the workers have found is in the input's
// order.

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

// The choices for a core's rows that its workers have found: for each row a list of each worker.
class FoundChoices {
 public:
  FoundChoices(const RoutingFewArgs& args, uint32_t shared)
      : lists_(shared + args.shared.found), stride_(args.shared.found_stride) {}

  // Begins a worker's lists of so many rows.
  FORCE_INLINE void begin(uint32_t processor, uint32_t num_rows) const {
    for (uint32_t row = 0, list = first_list(processor); row < num_rows; ++row, list += kProcessors * stride_) {
      *l1_pointer<uint32_t>(list) = begin_of(list);
    }
  }

  // Finds those in [begin, end) for the core's rows, for a worker's lists.
  template <typename Choices>
  FORCE_INLINE void find(
      const RoutingFewArgs& args,
      const Choices& choices,
      uint32_t core,
      uint32_t processor,
      uint32_t begin,
      uint32_t end) const {
    const uint32_t top_k = args.routing.choices.top_k;
    const uint32_t cores_log2 = args.plan.num_cores_log2;
    const uint32_t mask = (1u << cores_log2) - 1;
    const uint32_t first_row = args.routing.first_row;  // a multiple of the number of cores
    const uint32_t num_rows = num_choice_rows(args.routing.choices, first_row, args.routing.num_rows);
    const uint32_t lists = first_list(processor);
    const uint32_t row_stride = kProcessors * stride_;
    choices.template find<32>(
        begin,
        end,
        [&](uint32_t row) { return (row & mask) == core; },
        [&](uint32_t i, uint32_t row) {
          if (row - first_row < num_rows) {
            const L1Pointer<uint32_t> list_end =
                l1_pointer<uint32_t>(lists + ((row - first_row) >> cores_log2) * row_stride);
            const uint32_t next = *list_end;
            const L1Pointer<uint32_t> found = l1_pointer<uint32_t>(next);
            found[kFoundToken] = i / top_k;
            found[kFoundWeight] = choices.weight(i);
            *list_end = next + kFoundBytes;
          }
        });
  }

  // Copies an element of each of a row's choices to `target`, as far as `target_end`. Returns where the copies end.
  template <uint32_t kElement, typename Element>
  FORCE_INLINE uint32_t copy(uint32_t row, uint32_t target, uint32_t target_end) const {
    uint32_t list = lists_ + row * kProcessors * stride_;
#pragma GCC unroll 2
    for (uint32_t processor = 0; processor < kProcessors; ++processor, list += stride_) {
      uint32_t next = begin_of(list);
      uint32_t end = *l1_pointer<uint32_t>(list);
      if (has_max_tokens()) {
        end = min(end, next + (target_end - target) / sizeof(Element) * kFoundBytes);
      }
      for (; next + 3 * kFoundBytes < end; next += 4 * kFoundBytes, target += 4 * sizeof(Element)) {
        copy_elements<kElement, Element, 4>(next, target);
      }
      for (; next < end; next += kFoundBytes, target += sizeof(Element)) {
        copy_elements<kElement, Element, 1>(next, target);
      }
    }
    return target;
  }

 private:
  static constexpr uint32_t kFoundBytes = kFoundWords * sizeof(uint32_t);

  // Loads before it stores, which waits less.
  template <uint32_t kElement, typename Element, uint32_t kCount>
  static FORCE_INLINE void copy_elements(uint32_t source_address, uint32_t target_address) {
    const L1Pointer<uint32_t> source = l1_pointer<uint32_t>(source_address);
    const L1Pointer<Element> target = l1_pointer<Element>(target_address);
    uint32_t elements[kCount];
    for (uint32_t i = 0; i < kCount; ++i) {
      elements[i] = source[i * kFoundWords + kElement];
    }
    for (uint32_t i = 0; i < kCount; ++i) {
      target[i] = static_cast<Element>(elements[i]);
    }
  }

  FORCE_INLINE uint32_t first_list(uint32_t processor) const {
    return lists_ + processor * stride_;
  }

  // A list begins with the address where it ends.
  static FORCE_INLINE uint32_t begin_of(uint32_t list) {
    return list + sizeof(uint32_t);
  }

  uint32_t lists_;
  uint32_t stride_;  // bytes from a list to the next
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
        memory_(scratch + args.scratch.list) {}

  FORCE_INLINE uint32_t count() const {
    return count_;
  }

  // Fills the rows with padding: a word of it.
  FORCE_INLINE void fill(uint32_t padding) const {
    if (row_size_ > kAlignment) {
      fill_region(memory_, count_ * stride_ + kAlignment, padding);
      return;
    }
    for (uint32_t row = 0; row < count_; ++row) {  // to ask the NoC for copies would take longer
      fill_words(address(row, place(row)) & ~3u, row_size_ / sizeof(uint32_t) + 1, padding);
    }
  }

  // Copies what both workers have found into the rows and starts writing these, and the counts of those whose numbers
  // are `processor` modulo kProcessors.
  template <uint32_t kElement>
  FORCE_INLINE void write(const FoundChoices& found, uint32_t processor, uint32_t counts) const {
    const DramRange<kCounts> counts_range(args_.routing.counts);
    for (uint32_t row = 0; row < count_; ++row, counts += kAlignment) {
      const auto row_place = place(row);
      const uint32_t begin = address(row, row_place);
      const uint32_t end = found.template copy<kElement, Element>(row, begin, begin + row_size_);
      list_.write(row_place, row_size_, begin);
      if (row % kProcessors == processor) {
        const auto count_place = counts_range.template element<sizeof(uint32_t)>(number(row));
        const uint32_t source = counts + count_place.misalignment();
        *l1_pointer<uint32_t>(source) = (end - begin) / sizeof(Element);
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
  const FoundChoices found(args, shared);
  found.begin(processor, rows.count());
  choices.finish_reading(0, end, scratch + args.scratch.rows, begin);

  found.find(args, choices, core, processor, begin, end);
  // Every core reads all choices; each looks for invalid ids in its own share of them.
  for (uint32_t i = begin + core; i < end; i += num_cores) {
    choices.visit_id(i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { invalid_id.record(i, low, high); });
  }
  wait_for_each_other();

  rows.template write<kElement>(found, processor, scratch + args.scratch.counts);
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
