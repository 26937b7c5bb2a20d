// The lists of the experts' tokens: num_routed_tokens (1, E_padded), routed_tokens and routed_token_weights
// (E_padded, T * K).
//
// A team of cores writes a block of rows. Each of its workers picks the block's choices from a slice of all choices,
// sorts them by row, and sends them to every core of the team. Once all slices have come, the whole block is at hand in
// the L1 of each core, whose first processor writes the core's share of the tokens, and the second one that of the
// weights: the choices to their places in the rows, and in the end the padding after them. More choices than fit into
// L1 come in rounds.
//
// Few choices are best looked through by many teams of one core, many by few teams of many cores: the host decides.

#include <cstdint>

#include "common/choice_reader.h"
#include "common/dram_range.h"
#include "common/protocol.h"

namespace moe::tt::kernels {
namespace {

// A worker's place among those who write a block of rows.
class Team {
 public:
  Team(const RoutingArgs& args, uint32_t worker)
      : num_cores(args.team_cores),
        num_members(num_cores * kProcessors),
        number(worker / num_members),
        member(worker - number * num_members),
        core(member / kProcessors),
        first_row(number * args.team_rows),
        num_rows(min(args.team_rows, args.num_rows - first_row)),
        first_expert(args.first_expert + first_row),
        num_experts(first_expert < args.choices.id_limit ? min(num_rows, args.choices.id_limit - first_expert) : 0),
        first_core_(number * num_cores),
        sent_(get_semaphore(kSent)) {}

  // Copies bytes of L1 to the same place on all cores, and tells them.
  void send(uint32_t address, uint32_t bytes) const {
    l1_fence();
    if (num_cores > 1) {
      for (uint32_t other = 0; other < num_cores; ++other) {
        if (other != core) {
          noc_async_write(address, on(other, address), bytes);
        }
      }
      noc_async_write_barrier();
    }
    for (uint32_t each = 0; each < num_cores; ++each) {
      noc_semaphore_inc(on(each, sent_), 1);
    }
  }

  // Waits until all members have sent so often.
  void wait(uint32_t times) const {
    noc_semaphore_wait_min(semaphore_pointer(sent_), times * num_members);
    l1_fence();
  }

  const uint32_t num_cores;
  const uint32_t num_members;
  const uint32_t number;
  const uint32_t member;
  const uint32_t core;
  const uint32_t first_row;
  const uint32_t num_rows;
  const uint32_t first_expert;
  const uint32_t num_experts;  // of the rows: those after them are padding

 private:
  uint64_t on(uint32_t core, uint32_t address) const {
    const uint32_t coordinates = get_common_arg_val<uint32_t>(kRoutingCoordinates + first_core_ + core);
    return get_noc_addr(coordinates >> 16, coordinates & 0xFFFF, address);
  }

  const uint32_t first_core_;
  const uint32_t sent_;
};

// Picks a block's choices from a slice and sorts them by row, stably.
template <uint32_t kIdSize, uint32_t kWeightSize>
class SliceSorter {
 public:
  SliceSorter(const RoutingArgs& args, const Team& team, uint32_t choices, uint32_t found)
      : args_(args), team_(team), choices_(args.choices, choices, args.slice), found_(l1_pointer<uint32_t>(found)) {}

  void start_reading(uint32_t round) {
    const uint32_t total = args_.choices.num_tokens * args_.choices.num_choices;
    first_ = min((round * team_.num_members + team_.member) * args_.slice, total);
    count_ = min(args_.slice, total - first_);
    choices_.start_reading(first_, count_);
  }

  // Leaves what was read at `slice`, as protocol.h has it; returns its bytes.
  uint32_t sort(uint32_t slice, Fault& fault) {
    // ends[0] stays zero. ends[1 + row] is first the row's number of choices, then where its next one goes, and so,
    // after the last one, where they end.
    const L1Pointer<uint32_t> ends = l1_pointer<uint32_t>(slice);
    fill_words(slice, team_.num_experts + 1, 0);
    read_barrier();
    check(fault);

    uint32_t num_found = 0;
    if (team_.num_experts > 0) {
      choices_.find(count_, team_.first_expert, team_.num_experts, [&](uint32_t i, uint32_t row) {
        found_[num_found] = i;
        ++num_found;
        ends[1 + row] = ends[1 + row] + 1;
      });
    }
    uint32_t total = 0;
    for (uint32_t row = 0; row < team_.num_experts; ++row) {
      const uint32_t row_count = ends[1 + row];
      ends[1 + row] = total;
      total += row_count;
    }
    const uint32_t records_address = slice + slice_table_bytes(team_.num_experts);
    const L1Pointer<uint32_t> records = l1_pointer<uint32_t>(records_address);
    const uint32_t num_choices = args_.choices.num_choices;
    for (uint32_t found = 0; found < num_found; ++found) {
      const uint32_t i = found_[found];
      const uint32_t row = choices_.id(i) - team_.first_expert;
      const uint32_t place = ends[1 + row];
      ends[1 + row] = place + 1;
      records[place * kRecordWords + kRecordToken] = (first_ + i) / num_choices;
      records[place * kRecordWords + kRecordWeight] = choices_.weight(i);
    }
    return records_address + num_found * kRecordBytes - slice;
  }

 private:
  // Every team reads the slice, and looks for ids out of range in a part of it.
  void check(Fault& fault) const {
    const uint32_t part = div_up(count_, args_.num_teams);
    for (uint32_t i = team_.number * part, end = min(i + part, count_); i < end; ++i) {
      choices_.visit_id(i, [](uint32_t) {}, [&](uint32_t low, uint32_t high) { fault.record(first_ + i, low, high); });
    }
  }

  const RoutingArgs& args_;
  const Team& team_;
  Choices<kIdSize, kWeightSize> choices_;
  L1Pointer<uint32_t> found_;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

// Writes a core's share of a block of one of the lists, whose elements are a word of the records.
template <typename Element, uint32_t kRecordWord>
class ListWriter {
 public:
  ListWriter(
      const RoutingArgs& args,
      const Team& team,
      const FlatArgs& list,
      uint32_t slice_stride,
      uint32_t pieces,
      uint32_t counts,
      uint32_t round_counts)
      : team_(team),
        list_(list),
        counts_memory_(args.counts),
        slice_stride_(slice_stride),
        width_(args.choices.num_tokens * args.choices.num_choices),
        pieces_(pieces),
        next_piece_(pieces),
        counts_address_(counts + counts_memory_.element<sizeof(uint32_t)>(team.first_row).phase()),
        counts_(l1_pointer<uint32_t>(counts_address_)),
        round_counts_(l1_pointer<uint32_t>(round_counts)) {
    fill_words(counts_address_, team.num_rows, 0);
  }

  // Adds a round's slices, which lie one after the other in L1, to the rows.
  void add(uint32_t slices) {
    uint32_t num_pieces = 0;
    uint32_t begin = 0;
    for (uint32_t row = 0; row < team_.num_experts; ++row) {
      uint32_t end = 0;
      uint32_t slice = slices + (row + 1) * sizeof(uint32_t);
      for (uint32_t i = 0; i < team_.num_members; ++i, slice += slice_stride_) {
        end += *l1_pointer<uint32_t>(slice);
      }
      round_counts_[row] = end - begin;
      num_pieces += div_up(end - begin, kPiece);
      begin = end;
    }
    const Share share(num_pieces, team_.core, team_.num_cores);
    uint32_t piece = 0;
    for (uint32_t row = 0; row < team_.num_experts; ++row) {
      const uint32_t count = round_counts_[row];
      for (uint32_t from = 0; from < count; from += kPiece, ++piece) {
        if (piece >= share.begin && piece < share.end) {
          write_piece(slices, row, from, min(kPiece, count - from));
        }
      }
      counts_[row] = counts_[row] + count;
    }
  }

  // Writes what the rows have not been filled with.
  void pad(uint32_t padding_page) const {
    const uint32_t first = team_.first_row * width_;
    const Share share(team_.num_rows * width_, team_.core, team_.num_cores);
    uint32_t begin = first + share.begin;
    const uint32_t end = first + share.end;
    uint32_t row_begin = first;
    // Rows without choices belong to one run of padding with the rows around them.
    for (uint32_t row = 0; row < team_.num_experts; ++row, row_begin += width_) {
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
    counts_memory_.write(counts_memory_.element<sizeof(uint32_t)>(team_.first_row), bytes, counts_address_);
  }

 private:
  static constexpr uint32_t kPieceRoom = elements_room(kPiece, sizeof(Element));

  FORCE_INLINE void write_padding(uint32_t begin, uint32_t end, uint32_t padding_page) const {
    if (begin < end) {
      list_.write_constant(
          list_.template element<sizeof(Element)>(begin), (end - begin) * sizeof(Element), padding_page);
    }
  }

  // Writes the elements of ranks [from, from + count) among those that a row gets in a round.
  void write_piece(uint32_t slices, uint32_t row, uint32_t from, uint32_t count) {
    if (next_piece_ == pieces_ + kPieces * kPieceRoom) {
      write_barrier();
      next_piece_ = pieces_;
    }
    const auto place = list_.template element<sizeof(Element)>((team_.first_row + row) * width_ + counts_[row] + from);
    const uint32_t piece = next_piece_ + place.phase();
    next_piece_ += kPieceRoom;

    L1Pointer<Element> next = l1_pointer<Element>(piece);
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
      const uint32_t records = slice + slice_table_bytes(team_.num_experts);
      L1Pointer<uint32_t> source = l1_pointer<uint32_t>(records + (row_begin + from) * kRecordBytes) + kRecordWord;
      for (const L1Pointer<Element> end = next + taken; next < end; ++next, source += kRecordWords) {
        *next = static_cast<Element>(*source);
      }
      left -= taken;
      from = 0;
    }
    list_.write(place, count * sizeof(Element), piece);
  }

  const Team& team_;
  FlatMemory list_;
  FlatMemory counts_memory_;
  uint32_t slice_stride_;
  uint32_t width_;
  uint32_t pieces_;
  uint32_t next_piece_;
  uint32_t counts_address_;
  L1Pointer<uint32_t> counts_;        // the rows' choices so far
  L1Pointer<uint32_t> round_counts_;  // and those of the round
};

template <uint32_t kIdSize, uint32_t kWeightSize, typename Element, uint32_t kRecordWord>
FORCE_INLINE void prepare_routing(
    const RoutingArgs& args, const FlatArgs& list, uint32_t padding, uint32_t worker, uint32_t arena) {
  const Team team(args, worker);
  if (team.number >= args.num_teams) {
    return;
  }
  const uint32_t slice_stride = args.slice_stride;
  const uint32_t slices = align_up<uint32_t>(get_write_ptr(kSharedBuffer), kAlignment);
  const uint32_t padding_page = arena + args.room.padding_page;

  SliceSorter<kIdSize, kWeightSize> sorter(args, team, arena + args.room.choices, arena + args.room.found);
  ListWriter<Element, kRecordWord> writer(
      args,
      team,
      list,
      slice_stride,
      arena + args.room.pieces,
      arena + args.room.counts,
      arena + args.room.round_counts);

  Fault fault;
  for (uint32_t round = 0; round < args.num_rounds; ++round) {
    // A slice is sent only after all members have sent those of the round before, and so are done with those of the
    // round before that.
    const uint32_t buffer = slices + round % kSliceBuffers * team.num_members * slice_stride;
    const uint32_t slice = buffer + team.member * slice_stride;
    sorter.start_reading(round);
    if (round == 0) {
      fill_page(padding_page, 1u << list.page_size_log2, padding);
    }
    team.send(slice, sorter.sort(slice, fault));
    team.wait(round + 1);
    writer.add(buffer);
  }
  writer.pad(padding_page);
  if (team.member == 0) {
    writer.write_counts();
  }
  noc_async_atomic_barrier();
  write_barrier();
  fault.report(args.faults, worker, arena);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt;
  using namespace moe::tt::kernels;
  run_worker([](auto id_size, auto weight_size, uint32_t worker, uint32_t arena) {
    constexpr uint32_t kIdSize = decltype(id_size)::value;
    constexpr uint32_t kWeightSize = decltype(weight_size)::value;
    const auto& args = common_args<RoutingArgs>();
    if (get_compile_time_arg_val(kProcessor) == 0) {
      prepare_routing<kIdSize, kWeightSize, uint32_t, kRecordToken>(
          args, args.tokens, moe::kPaddingToken, worker, arena);
    } else {
      prepare_routing<kIdSize, kWeightSize, Bits<kWeightSize>, kRecordWeight>(args, args.weights, 0, worker, arena);
    }
  });
}
