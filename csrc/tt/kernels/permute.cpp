// Row i of the output is the row of token grouped_tokens[i], or zeros where that is -1.
//
// A token goes to several rows, but its row is read once: a worker takes a block of tokens into L1, looks through all
// of grouped_tokens for them, and writes them where it finds them. It writes zeros to the rows without a token among
// its share of the output's. So nothing is read from a place that grouped_tokens alone names.
//
// Where tokens are few or long, a block holds a part of their rows, which other workers have the rest of. With 5
// tokens, blocks of 2 and rows of two parts, these are the workers:
//
//   token     0  1  2  3  4
//   part 0    0  0  1  1  2
//   part 1    3  3  4  4  5
//
// If there are more blocks than workers, because L1 has no room for larger ones, a worker takes consecutive ones in
// turn. While it looks for the tokens of one, it notes where those of the next ones go, if they are not too many to
// remember.

#include <cstdint>

#include "common/dram_range.h"
#include "common/invalid_id.h"
#include "common/l1.h"
#include "common/work_split.h"
#include "common/worker.h"
#include "permute.h"

namespace moe::tt::kernels {
namespace {

constexpr uint32_t kNoToken = 0xFFFFFFFF;

// Calls `visit(tokens, first, count)` with each slice of the tokens [begin, end) in L1.
template <typename Visit>
FORCE_INLINE void for_each_slice(
    const PermuteArgs& args, uint32_t begin, uint32_t end, uint32_t scratch, const Visit& visit) {
  const DramRange<kGroupedTokens> memory(args.grouped_tokens);
  uint32_t count;
  for (uint32_t first = begin; first != end; first += count) {
    count = min(args.plan.slice, end - first);
    const auto place = memory.template element<sizeof(uint32_t)>(first);
    const uint32_t address = memory.read(place, count * sizeof(uint32_t), scratch);
    read_barrier();
    visit(l1_pointer<uint32_t>(address), first, count);
  }
}

// Calls `found(i, token - first_token)` for each of `count` tokens that is in [first_token, first_token + num_tokens).
// Most are not, and cost three instructions each.
template <typename Found>
FORCE_INLINE void find(
    L1Pointer<uint32_t> tokens, uint32_t count, uint32_t first_token, uint32_t num_tokens, const Found& found) {
  constexpr uint32_t kAtOnce = 16;
  const auto look_at = [&](uint32_t i, uint32_t ahead) {
    const uint32_t token = tokens[ahead] - first_token;
    if (__builtin_expect(token < num_tokens, false)) {
      found(i + ahead, token);
    }
  };
  uint32_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce, tokens += kAtOnce) {
#pragma GCC unroll 16
    for (uint32_t ahead = 0; ahead < kAtOnce; ++ahead) {
      look_at(i, ahead);
    }
  }
  for (; i < count; ++i, ++tokens) {
    look_at(i, 0);
  }
}

// Blocks of all tokens, for each part of their rows.
FORCE_INLINE uint32_t num_blocks_of(const PermuteArgs& args) {
  return div_up(args.num_tokens, args.plan.block);
}

// A part of the rows of a block of tokens.
class Block {
 public:
  Block(const PermuteArgs& args, uint32_t number, uint32_t scratch)
      : args_(args),
        parts_(scratch + args.scratch.parts),
        moved_(scratch + args.scratch.moved),
        first_token_(number % num_blocks_of(args) * args.plan.block),
        num_tokens_(min(args.plan.block, args.num_tokens - first_token_)),
        column_(number / num_blocks_of(args) * args.plan.part),
        size_(min(args.plan.part, args.row_width - column_) * kRowUnit) {}

  uint32_t first_token() const {
    return first_token_;
  }
  uint32_t num_tokens() const {
    return num_tokens_;
  }
  // Tokens of this block and of the `more` that follow it with the same part.
  uint32_t num_tokens_with(uint32_t more) const {
    const uint32_t rest = args_.num_tokens - first_token_;
    return more < div_up(rest, args_.plan.block) ? min((more + 1) * args_.plan.block, rest) : rest;
  }

  // Starts reading it, done at the next read_barrier().
  void start_reading() const {
    const DramRange<kHidden> hidden(args_.hidden);
    uint32_t address = parts_;
    for (uint32_t token = 0; token < num_tokens_; ++token, address += stride()) {
      hidden.read(place_in(hidden, first_token_ + token), size_, address);
    }
  }

  // Starts writing a token's part to a row of the output.
  [[gnu::noinline]] void write(uint32_t token, uint32_t row) const {
    const DramRange<kHidden> hidden(args_.hidden);
    const DramRange<kPermuted> permuted(args_.permuted);
    const auto place = place_in(permuted, row);
    uint32_t source = parts_ + token * stride() + place_in(hidden, first_token_ + token).misalignment();
    if ((source - place.within) % runtime::kL1Alignment != 0) {
      source = move(source, place.misalignment());
    }
    permuted.write(place, size_, source);
  }

 private:
  uint32_t stride() const {
    return elements_scratch(args_.plan.part, kRowUnit);
  }

  template <typename Range>
  FORCE_INLINE typename Range::Place place_in(const Range& range, uint32_t row) const {
    return range.template element<kRowUnit>(row, column_, args_.row_width);
  }

  // Copies a part to where it has the alignment that a transfer needs. Returns its address.
  [[gnu::noinline]] uint32_t move(uint32_t source, uint32_t misalignment) const {
    const uint32_t target = moved_ + misalignment;
    // The part before must have left L1.
    noc_async_writes_flushed();
    if ((source | target | size_) % sizeof(uint32_t) == 0) {
      copy<uint32_t>(source, target, size_);
    } else {
      copy<uint16_t>(source, target, size_);
    }
    return target;
  }

  const PermuteArgs& args_;
  const uint32_t parts_;
  const uint32_t moved_;
  const uint32_t first_token_;
  const uint32_t num_tokens_;
  const uint32_t column_;
  const uint32_t size_;
};

// Where the tokens of later blocks go, as a worker met them while it looked for those of an earlier one.
class Remembered {
 public:
  Remembered(const PermuteArgs& args, uint32_t scratch)
      : places_(l1_pointer<TokenPlace>(scratch + args.scratch.remembered)), capacity_(args.plan.remembered) {}

  void clear() {
    count_ = 0;
  }

  [[gnu::noinline]] void add(uint32_t token, uint32_t row) {
    if (count_ < capacity_) {
      places_[count_].token = token;
      places_[count_].row = row;
    }
    ++count_;
  }

  // Whether all had room.
  bool is_complete() const {
    return count_ <= capacity_;
  }

  // Calls `visit(token - first_token, row)` for each that is in [first_token, first_token + num_tokens).
  template <typename Visit>
  FORCE_INLINE void visit(uint32_t first_token, uint32_t num_tokens, const Visit& visit) const {
    for (uint32_t i = 0; i < count_; ++i) {
      const uint32_t token = places_[i].token - first_token;
      if (token < num_tokens) {
        visit(token, places_[i].row);
      }
    }
  }

 private:
  const L1Pointer<TokenPlace> places_;
  const uint32_t capacity_;
  uint32_t count_ = 0;
};

// Starts writing zeros to the rows without a token, among the worker's share of them.
[[gnu::noinline]] void write_zeros(const PermuteArgs& args, uint32_t worker, uint32_t scratch, InvalidId& invalid_id) {
  const DramRange<kPermuted> permuted(args.permuted);
  const uint32_t zeros = scratch + args.scratch.zeros;
  bool has_zeros = false;
  const WorkSplit share(args.num_rows, worker, args.plan.num_workers);
  for_each_slice(
      args, share.begin, share.end, scratch, [&](L1Pointer<uint32_t> tokens, uint32_t first, uint32_t count) {
        for (uint32_t i = 0; i < count; ++i) {
          const uint32_t token = tokens[i];
          if (token < args.num_tokens) {
            continue;
          }
          if (token != kNoToken) {
            invalid_id.record(first + i, token, 0);
          }
          if (!has_zeros) {
            start_zeroing(zeros, permuted.max_transfer());
            read_barrier();
            has_zeros = true;
          }
          const auto row = permuted.template element<kRowUnit>(first + i, 0, args.row_width);
          permuted.write_constant(row, args.row_width * kRowUnit, zeros);
        }
      });
}

FORCE_INLINE void permute(const PermuteArgs& args, uint32_t worker, uint32_t scratch) {
  if (worker >= args.plan.num_workers) {
    return;
  }
  InvalidId invalid_id;
  write_zeros(args, worker, scratch, invalid_id);
  Remembered remembered(args, scratch);
  bool remembers = false;
  const WorkSplit share(num_blocks_of(args) * args.plan.num_parts, worker, args.plan.num_workers);
  for (uint32_t number = share.begin; number < share.end; ++number) {
    const Block block(args, number, scratch);
    // The parts of the block before must have left L1.
    noc_async_writes_flushed();
    block.start_reading();
    // The first tokens are those of another part than before.
    if (remembers && block.first_token() > 0) {
      read_barrier();
      remembered.visit(
          block.first_token(), block.num_tokens(), [&](uint32_t token, uint32_t row) { block.write(token, row); });
      continue;
    }
    remembered.clear();
    const uint32_t num_tokens = block.num_tokens_with(share.end - number - 1);
    for_each_slice(args, 0, args.num_rows, scratch, [&](L1Pointer<uint32_t> tokens, uint32_t first, uint32_t count) {
      find(tokens, count, block.first_token(), num_tokens, [&](uint32_t i, uint32_t token) {
        if (token < block.num_tokens()) {
          block.write(token, first + i);
        } else {
          remembered.add(block.first_token() + token, first + i);
        }
      });
    });
    remembers = remembered.is_complete();
  }
  write_barrier();
  invalid_id.report(args.invalid_ids, worker, scratch);
}

}  // namespace
}  // namespace moe::tt::kernels

void kernel_main() {
  using namespace moe::tt::kernels;
  const Worker worker = this_worker();
  permute(common_args<PermuteArgs>(), worker.number, worker.scratch);
}
