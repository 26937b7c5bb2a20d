// The lists of the experts' tokens: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights
// (E_padded, T * K).
//
// First every worker sorts slices of the choices by expert and leaves them in scratch memory. Once all have, every
// worker owns a range of the pages of both lists: it gathers what the slices hold of the pages' rows, builds those
// pages that list anything, and writes all others from one page of padding.

#include <cstdint>

#include "choices.h"
#include "memory.h"
#include "protocol.h"

namespace moe::tt::kernels {
namespace {

// Sorts a slice by expert, stably, and writes it to its place in the scratch memory.
template <uint32_t kIdSize, uint32_t kWeightSize>
class SliceSorter {
 public:
  SliceSorter(const RoutingArgs& args, uint32_t arena)
      : args_(args),
        layout_(slice_layout(args.num_rows, args.slice, kWeightSize)),
        scratch_(args.scratch),
        choices_(args.choices, arena + layout_.bytes, args.slice),
        sorted_(arena) {}

  void sort(uint32_t slice, Fault& fault) {
    const uint32_t first = slice * args_.slice;
    const uint32_t count = min(args_.slice, args_.choices.num_tokens * args_.choices.num_choices - first);
    choices_.start_reading(first, count);
    // While the choices are on their way. What the last slice left here must have been written.
    write_barrier();
    // ends[0] stays zero. ends[1 + row] is first the row's number of choices, then where its next one goes, and so,
    // after the last one, where they end.
    const L1Pointer<uint32_t> ends = l1_pointer<uint32_t>(sorted_ + layout_.ends);
    fill_words(sorted_ + layout_.ends, args_.num_rows + 1, 0);
    read_barrier();

    for (uint32_t i = 0; i < count; ++i) {
      choices_.visit_id(
          i,
          [&](uint32_t expert) {
            const uint32_t row = expert - args_.first_expert;
            if (row < args_.num_rows) {
              ends[1 + row] = ends[1 + row] + 1;
            }
          },
          [&](uint32_t low, uint32_t high) { fault.record(first + i, low, high); });
    }
    uint32_t total = 0;
    for (uint32_t row = 0; row < args_.num_rows; ++row) {
      const uint32_t row_count = ends[1 + row];
      ends[1 + row] = total;
      total += row_count;
    }
    const L1Pointer<uint32_t> tokens = l1_pointer<uint32_t>(sorted_ + layout_.tokens);
    const L1Pointer<Bits<kWeightSize>> weights = l1_pointer<Bits<kWeightSize>>(sorted_ + layout_.weights);
    uint32_t token = first / args_.choices.num_choices;
    uint32_t rest = args_.choices.num_choices - (first - token * args_.choices.num_choices);
    for (uint32_t i = 0; i < count; ++i) {
      choices_.visit_id(
          i,
          [&](uint32_t expert) {
            const uint32_t row = expert - args_.first_expert;
            if (row < args_.num_rows) {
              const uint32_t place = ends[1 + row];
              ends[1 + row] = place + 1;
              tokens[place] = token;
              weights[place] = choices_.weight(i);
            }
          },
          [](uint32_t, uint32_t) {});
      if (--rest == 0) {
        rest = args_.choices.num_choices;
        ++token;
      }
    }

    const uint64_t place = static_cast<uint64_t>(slice) * layout_.bytes;
    scratch_.write(place + layout_.ends, (args_.num_rows + 1) * sizeof(uint32_t), sorted_ + layout_.ends);
    if (total > 0) {
      scratch_.write(place + layout_.tokens, total * sizeof(uint32_t), sorted_ + layout_.tokens);
      scratch_.write(place + layout_.weights, total * kWeightSize, sorted_ + layout_.weights);
    }
  }

 private:
  const RoutingArgs& args_;
  SliceLayout layout_;
  FlatMemory scratch_;
  Choices<kIdSize, kWeightSize> choices_;
  uint32_t sorted_;
};

// Where the choices of some rows are, slice by slice.
class RowTable {
 public:
  RowTable(const RoutingArgs& args, const FlatMemory& scratch, uint32_t slice_bytes, uint32_t address, uint32_t bytes)
      : args_(args), scratch_(scratch), slice_bytes_(slice_bytes), address_(address), bytes_(bytes) {}

  // Makes the table hold a row, and as many of those after it up to end_row as fit.
  void load(uint32_t row, uint32_t end_row) {
    if (row >= first_row_ && row < end_row_) {
      return;
    }
    // A slice's part: the end of the row before, and the end of each row. It arrives at any address modulo kAlignment.
    const uint32_t stride_limit = bytes_ / args_.num_slices / kAlignment * kAlignment;
    const uint32_t rows_limit = (stride_limit - kAlignment) / sizeof(uint32_t) - 1;
    first_row_ = row;
    end_row_ = row + min(rows_limit, end_row - row);
    const uint32_t size = (end_row_ - first_row_ + 1) * sizeof(uint32_t);
    stride_ = align_up<uint32_t>(size, kAlignment) + kAlignment;
    for (uint32_t slice = 0; slice < args_.num_slices; ++slice) {
      const uint64_t begin = static_cast<uint64_t>(slice) * slice_bytes_ + row * sizeof(uint32_t);
      within_ = scratch_.read(begin, size, address_ + slice * stride_) - (address_ + slice * stride_);
    }
    read_barrier();
  }

  // The row's choices in a slice, as a range of its sorted ones.
  FORCE_INLINE void find(uint32_t row, uint32_t slice, uint32_t& begin, uint32_t& end) const {
    const L1Pointer<uint32_t> ends =
        l1_pointer<uint32_t>(address_ + slice * stride_ + within_ + (row - first_row_) * sizeof(uint32_t));
    begin = ends[0];
    end = ends[1];
  }

  // How many there are in all.
  uint32_t count(uint32_t row) const {
    uint32_t count = 0;
    for (uint32_t slice = 0; slice < args_.num_slices; ++slice) {
      uint32_t begin;
      uint32_t end;
      find(row, slice, begin, end);
      count += end - begin;
    }
    return count;
  }

 private:
  const RoutingArgs& args_;
  const FlatMemory& scratch_;
  uint32_t slice_bytes_;
  uint32_t address_;
  uint32_t bytes_;
  uint32_t first_row_ = 0;
  uint32_t end_row_ = 0;
  uint32_t stride_ = 0;
  uint32_t within_ = 0;  // the same for every slice, whose places are multiples of kAlignment
};

// Writes one of the two lists: elements of one size, which a slice's place holds from `part` on.
template <typename Element>
class ListWriter {
 public:
  // Bytes of L1 that it takes.
  static constexpr uint32_t room(uint32_t page_size) {
    return (1 + kBuiltPages) * page_size + landing_room(page_size) + pieces_room();
  }

  ListWriter(
      const RoutingArgs& args,
      const FlatArgs& list,
      const FlatMemory& scratch,
      uint32_t slice_bytes,
      uint32_t part,
      uint32_t padding,
      uint32_t address)
      : args_(args),
        list_(list),
        scratch_(scratch),
        slice_bytes_(slice_bytes),
        part_(part),
        padding_(padding),
        padding_page_(address),
        built_pages_(address + list_.page_size()),
        landing_(built_pages_ + kBuiltPages * list_.page_size()),
        pieces_(l1_pointer<Piece>(landing_ + landing_room(list_.page_size()))) {
    fill_words(padding_page_, list_.page_size() / sizeof(uint32_t), padding_);
  }

  // Starts writing the worker's pages. Calls `visit_row(row, count)` once for every row that begins in one of them.
  template <typename VisitRow>
  void write(RowTable& table, uint32_t worker, const VisitRow& visit_row) {
    const uint32_t width = args_.choices.num_tokens * args_.choices.num_choices;
    const uint32_t num_elements = args_.num_rows * width;
    const uint32_t page_elements = list_.page_size() / sizeof(Element);
    const Share pages(ceil_divide(num_elements, page_elements), worker, args_.num_workers);
    if (pages.begin == pages.end) {
      return;
    }
    const uint32_t last_element = pages.end * page_elements - 1;
    const uint32_t end_row = min(last_element / width + 1, args_.num_rows);
    uint32_t row = pages.begin * page_elements / width;
    find_row(table, row, end_row);

    for (uint32_t page = pages.begin; page < pages.end; ++page) {
      const uint32_t begin = page * page_elements;
      const uint32_t end = begin + min(page_elements, num_elements - begin);
      uint32_t built = 0;
      while (true) {
        const uint32_t row_begin = row * width;
        if (begin <= row_begin) {
          visit_row(row, count_);
        }
        const uint32_t from = begin <= row_begin ? 0 : begin - row_begin;
        const uint32_t to = min(min(width, end - row_begin), count_);
        if (from < to) {
          if (built == 0) {
            built = next_built_page();
          }
          gather(table, row, from, to, l1_pointer<Element>(built) + (row_begin + from - begin));
        }
        if (end - row_begin < width) {
          break;  // the row goes on in the next page
        }
        ++row;
        if (row < end_row) {
          find_row(table, row, end_row);
        }
        if (row * width >= end || row >= end_row) {
          break;
        }
      }
      list_.write_page(page, built == 0 ? padding_page_ : built);
    }
  }

 private:
  // Elements that have been read, and wait to be copied to their page.
  struct [[gnu::may_alias]] Piece {
    uint32_t address;
    uint32_t count;
  };

  static constexpr uint32_t kBuiltPages = 4;
  static constexpr uint32_t kMaxPieces = 64;

  static constexpr uint32_t landing_room(uint32_t page_size) {
    return page_size + kMaxPieces * 2 * kAlignment;
  }

  static constexpr uint32_t pieces_room() {
    return align_up<uint32_t>(kMaxPieces * sizeof(Piece), kAlignment);
  }

  void find_row(RowTable& table, uint32_t row, uint32_t end_row) {
    table.load(row, end_row);
    count_ = table.count(row);
    slice_ = 0;
    rank_ = 0;
  }

  // A page of padding to build on.
  uint32_t next_built_page() {
    if (num_built_ == kBuiltPages) {
      write_barrier();
      num_built_ = 0;
    }
    const uint32_t page = built_pages_ + num_built_ * list_.page_size();
    ++num_built_;
    fill_words(page, list_.page_size() / sizeof(uint32_t), padding_);
    return page;
  }

  // Copies the row's elements of ranks [from, to); `from` is no lower than the last `to` of the row.
  void gather(const RowTable& table, uint32_t row, uint32_t from, uint32_t to, L1Pointer<Element> destination) {
    uint32_t num_pieces = 0;
    uint32_t landing = landing_;
    uint32_t next = from;
    while (next < to) {
      uint32_t begin;
      uint32_t end;
      table.find(row, slice_, begin, end);
      const uint32_t slice_end = rank_ + (end - begin);
      if (next < slice_end) {
        const uint32_t count = min(slice_end, to) - next;
        const uint32_t size = count * sizeof(Element);
        const uint64_t place = static_cast<uint64_t>(slice_) * slice_bytes_ + part_;
        pieces_[num_pieces] = {scratch_.read(place + (begin + next - rank_) * sizeof(Element), size, landing), count};
        ++num_pieces;
        landing += align_up<uint32_t>(size, kAlignment) + kAlignment;
        next += count;
      }
      if (next >= slice_end) {
        ++slice_;
        rank_ = slice_end;
      }
      if (num_pieces == kMaxPieces || next == to) {
        read_barrier();
        for (uint32_t piece = 0; piece < num_pieces; ++piece) {
          L1Pointer<Element> source = l1_pointer<Element>(pieces_[piece].address);
          for (uint32_t i = pieces_[piece].count; i > 0; --i, ++source, ++destination) {
            *destination = *source;
          }
        }
        num_pieces = 0;
        landing = landing_;
      }
    }
  }

  const RoutingArgs& args_;
  FlatMemory list_;
  const FlatMemory& scratch_;
  uint32_t slice_bytes_;
  uint32_t part_;
  uint32_t padding_;
  uint32_t padding_page_;
  uint32_t built_pages_;
  uint32_t landing_;
  L1Pointer<Piece> pieces_;
  uint32_t num_built_ = 0;
  // The row at work: its length, and a slice that may hold more of it, with the rank of the first it holds.
  uint32_t count_ = 0;
  uint32_t slice_ = 0;
  uint32_t rank_ = 0;
};

// Waits until every worker has sorted its slices.
void wait_for_all_slices(const RoutingArgs& args, uint32_t worker) {
  const uint32_t go = get_semaphore(kGo);
  auto* const go_value = semaphore_pointer(go);
  const uint32_t sorted = get_semaphore(kSorted);
  if (worker < args.num_slices) {
    noc_semaphore_inc(get_noc_addr(args.first_core_noc_x, args.first_core_noc_y, sorted), 1);
  }
  if (worker == 0) {
    noc_semaphore_wait(semaphore_pointer(sorted), min(args.num_slices, args.num_workers));
    noc_semaphore_set(go_value, 1);
    if (args.num_cores > 1) {
      const uint64_t others = get_noc_multicast_addr(
          args.first_core_noc_x, args.first_core_noc_y, args.last_core_noc_x, args.last_core_noc_y, go);
      noc_semaphore_set_multicast(go, others, args.num_cores - 1);
      noc_async_write_barrier();
    }
  }
  noc_semaphore_wait(go_value, 1);
  noc_async_atomic_barrier();
}

template <uint32_t kIdSize, uint32_t kWeightSize>
void prepare_routing(uint32_t worker, uint32_t arena) {
  const auto args = common_args<RoutingArgs>();
  Fault fault;
  {
    SliceSorter<kIdSize, kWeightSize> sorter(args, arena);
    for (uint32_t slice = worker; slice < args.num_slices; slice += args.num_workers) {
      sorter.sort(slice, fault);
    }
    write_barrier();
  }
  wait_for_all_slices(args, worker);

  const SliceLayout layout = slice_layout(args.num_rows, args.slice, kWeightSize);
  const FlatMemory scratch(args.scratch);
  const FlatMemory counts(args.counts);

  // In L1: the two lists' pages, counts on their way, and the table in what is left.
  using TokenWriter = ListWriter<uint32_t>;
  using WeightWriter = ListWriter<Bits<kWeightSize>>;
  uint32_t address = arena;
  TokenWriter tokens(args, args.tokens, scratch, layout.bytes, layout.tokens, kPaddingToken, address);
  address += TokenWriter::room(1u << args.tokens.page_size_log2);
  WeightWriter weights(args, args.weights, scratch, layout.bytes, layout.weights, 0, address);
  address += WeightWriter::room(1u << args.weights.page_size_log2);
  constexpr uint32_t kCountsOnTheirWay = 8;
  const uint32_t counts_address = address;
  address += kCountsOnTheirWay * kAlignment;
  RowTable table(args, scratch, layout.bytes, address, arena + args.arena_bytes - address);

  uint32_t num_counts = 0;
  tokens.write(table, worker, [&](uint32_t row, uint32_t count) {
    if (num_counts == kCountsOnTheirWay) {
      write_barrier();
      num_counts = 0;
    }
    const uint32_t offset = (args.counts.offset_low + row * sizeof(uint32_t)) & (kAlignment - 1);
    const uint32_t place = counts_address + num_counts * kAlignment + offset;
    *l1_pointer<uint32_t>(place) = count;
    counts.write(row * sizeof(uint32_t), sizeof(uint32_t), place);
    ++num_counts;
  });
  weights.write(table, worker, [](uint32_t, uint32_t) {});
  write_barrier();
  fault.report(args.faults, worker, arena);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  moe::tt::kernels::run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t arena) {
    moe::tt::kernels::prepare_routing<decltype(id_size)::value, decltype(weight_size)::value>(worker, arena);
  });
}
