// Every check of what callers pass to a device. The runtimes behind it trust their arguments.

#include <map>
#include <set>
#include <tuple>

#include "tt/runtime/capture.h"
#include "tt/runtime/limits.h"
#include "tt/runtime/runtime.h"
#include "tt/support/math.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {
namespace {

void check_range(const Buffer& buffer, uint64_t offset, uint64_t size) {
  if (offset > buffer.size() || size > buffer.size() - offset) {
    throw DeviceError(
        str("expected a range inside the buffer's ", buffer.size(), " bytes, got ", size, " bytes from byte ", offset));
  }
}

void check_cores(const Cores& cores, const Cores& available, const char* what) {
  const uint64_t end = uint64_t{cores.first} + cores.count;
  if (cores.count == 0 || cores.first < available.first || end > uint64_t{available.first} + available.count) {
    throw DeviceError(
        str("expected one core or more of the ",
            available.count,
            " from core ",
            available.first,
            " on (",
            what,
            "), got ",
            cores.count,
            " from core ",
            cores.first,
            " on"));
  }
}

void check_runtime_args(uint64_t own, uint64_t common) {
  if (own + common > kMaxRuntimeArgs) {
    throw DeviceError(
        str("expected at most ",
            kMaxRuntimeArgs,
            " run-time arguments for a kernel, got ",
            own,
            " of its own and ",
            common,
            " common ones"));
  }
}

void check_semaphores(const std::vector<uint32_t>& semaphores) {
  if (semaphores.size() > kNumSemaphores) {
    throw DeviceError(str("expected at most ", kNumSemaphores, " semaphores, got ", semaphores.size()));
  }
}

// Circular buffers follow each other from l1_unreserved on, each at a multiple of the DRAM alignment, as tt-metal
// places them.
void check_circular_buffers(const std::vector<CircularBuffer>& buffers, const DeviceProperties& properties) {
  std::set<uint32_t> indices;
  uint64_t end = properties.l1_unreserved;
  for (const CircularBuffer& buffer : buffers) {
    if (buffer.index >= kNumCircularBuffers) {
      throw DeviceError(str("expected a circular buffer's index below ", kNumCircularBuffers, ", got ", buffer.index));
    }
    if (!indices.insert(buffer.index).second) {
      throw DeviceError(str("expected one circular buffer of index ", buffer.index, ", got two"));
    }
    if (buffer.page_size == 0 || buffer.page_size % kL1Alignment != 0 || buffer.num_pages == 0) {
      throw DeviceError(
          str("expected circular buffer ",
              buffer.index,
              " to have one page or more of a multiple of ",
              kL1Alignment,
              " bytes, got ",
              buffer.num_pages,
              " of ",
              buffer.page_size,
              " bytes"));
    }
    end = round_up(end, properties.dram_alignment) + uint64_t{buffer.page_size} * buffer.num_pages;
    if (end > properties.l1_size) {
      throw DeviceError(
          str("expected the circular buffers to fit into L1, between ",
              properties.l1_unreserved,
              ", where firmware and kernels end, and ",
              properties.l1_size,
              ", but circular buffer ",
              buffer.index,
              " (",
              buffer.num_pages,
              " pages of ",
              buffer.page_size,
              " bytes) would end at ",
              end,
              "; make pages smaller or fewer"));
    }
  }
}

void check_kernels(const ProgramDescription& description, uint32_t columns) {
  std::map<std::tuple<uint32_t, Processor>, const Kernel*> placed;
  for (const Kernel& kernel : description.kernels) {
    with_context(str("program '", description.name, "', kernel '", kernel.name, "'"), [&] {
      check_cores(kernel.cores, description.cores, "the program's");
      if (kernel.runtime_args.size() != kernel.cores.count) {
        throw DeviceError(
            str("expected run-time arguments for each of its ",
                kernel.cores.count,
                " cores, got them for ",
                kernel.runtime_args.size()));
      }
      for (uint32_t i = 0; i < kernel.cores.count; ++i) {
        check_runtime_args(kernel.runtime_args[i].size(), 0);
        const uint32_t core = kernel.cores.first + i;
        const auto [other, is_free] = placed.emplace(std::tuple(core, kernel.processor), &kernel);
        if (!is_free) {
          throw DeviceError(
              str("expected one kernel for ",
                  name_of(kernel.processor),
                  " of core (",
                  core % columns,
                  ", ",
                  core / columns,
                  "), which runs '",
                  other->second->name,
                  "' already"));
        }
      }
    });
  }
}

// Calls `ended(longest)`, which waits for so long at most and returns whether the wait is over, until it is.
template <typename Ended>
void wait_until(const Ended& ended, const Meanwhile& meanwhile) {
  // A user who interrupts a wait is heard after it.
  constexpr std::chrono::milliseconds kBetween(50);
  while (!ended(kBetween)) {
    if (meanwhile) {
      meanwhile();
    }
  }
}

}  // namespace

void Device::check_page_size(uint32_t page_size) const {
  const uint32_t alignment = properties().dram_alignment;
  if (page_size == 0 || page_size % alignment != 0) {
    throw DeviceError(
        str("a DRAM buffer's page size must be a multiple of the DRAM alignment of ",
            alignment,
            " bytes, got ",
            page_size));
  }
}

std::shared_ptr<Buffer> Device::allocate(uint64_t size, uint32_t page_size) {
  check_open();
  check_page_size(page_size);
  return do_allocate(size, page_size);
}

std::shared_ptr<Buffer> Device::view(uint32_t address, uint64_t size, uint32_t page_size) {
  check_open();
  check_page_size(page_size);
  if (chip_use() != ChipUse::kBorrowed) {
    throw DeviceError(
        "expected memory of a chip that other code of this process has opened, as ttnn; none is lent here");
  }
  if (address % properties().dram_alignment != 0 || size == 0 || size % page_size != 0) {
    throw DeviceError(
        str("expected an aligned address and whole pages of ", page_size, " bytes, got ", size, " bytes at ", address));
  }
  return do_view(address, size, page_size);
}

void Device::write(
    const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) {
  check_open();
  check_owned(buffer.get(), "buffer");
  check_range(*buffer, offset, source.size());
  refuse_in_capture("a copy from the host");
  wait_for_room();
  do_write(buffer, offset, source, rest);
}

void Device::read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) {
  check_open();
  check_owned(buffer.get(), "buffer");
  check_range(*buffer, offset, destination.size());
  refuse_in_capture("a copy to the host");
  // A runtime may hold its lock while it reads, and other threads want it while the device works.
  wait_for(*do_record(/*timed=*/false), nullptr);
  do_read(buffer, offset, destination);
}

std::pair<uint32_t, uint32_t> Device::noc_coordinates(uint32_t core) const {
  const uint32_t num_cores = properties().num_cores();
  if (core >= num_cores) {
    throw DeviceError(str("noc_coordinates: expected a core below ", num_cores, ", the size of the grid, got ", core));
  }
  return do_noc_coordinates(core);
}

std::shared_ptr<Program> Device::build(const ProgramDescription& description) {
  check_open();
  with_context(str("program '", description.name, "'"), [&] {
    check_cores(description.cores, {0, properties().num_cores()}, "the grid");
    check_semaphores(description.semaphores);
    check_circular_buffers(description.circular_buffers, properties());
    if (description.kernels.empty()) {
      throw DeviceError("expected a kernel or more, got none");
    }
  });
  check_kernels(description, properties().grid_x);
  return do_build(description);
}

void Device::launch(
    const std::shared_ptr<Program>& program,
    std::span<const uint32_t> common_args,
    std::span<const std::shared_ptr<Buffer>> buffers) {
  check_open();
  check_owned(program.get(), "program");
  with_context(str("program '", program->name(), "'"), [&] {
    check_runtime_args(program->max_runtime_args(), common_args.size());
  });
  for (const auto& buffer : buffers) {
    check_owned(buffer.get(), "buffer");
  }
  if (try_capture(program, common_args, buffers)) {
    return;
  }
  // Last, for a launch that is refused fixes nothing.
  check_num_common_args(*program, common_args.size());
  wait_for_room();
  do_launch(program, common_args, buffers);
  ++num_launches_;
}

bool Device::has_room() {
  return do_wait_for_room(std::chrono::milliseconds(0)) || is_capturing();
}

void Device::wait_for_room(const Meanwhile& meanwhile) {
  if (has_room()) {
    return;
  }
  wait_until([this](std::chrono::milliseconds longest) { return do_wait_for_room(longest); }, meanwhile);
  check_open();  // it may have been closed meanwhile
}

void Device::wait_for(const Event& event, const Meanwhile& meanwhile) {
  wait_until([&](std::chrono::milliseconds longest) { return do_wait(event, longest); }, meanwhile);
}

void Device::replay(const std::shared_ptr<Graph>& graph) {
  check_open();
  check_owned(graph.get(), "graph");
  refuse_in_capture("a replay");
  wait_for_room();
  do_replay(graph);
  num_launches_ += graph->launches().size();
}

void Device::synchronize(const Meanwhile& meanwhile) {
  check_open();
  refuse_in_capture("a wait for the device");
  wait_for(*do_record(/*timed=*/false), meanwhile);
  do_throw_failure();
}

std::shared_ptr<Event> Device::record(bool timed, const Meanwhile& meanwhile) {
  check_open();
  refuse_in_capture("an event");
  if (timed) {
    wait_for_room(meanwhile);
  }
  auto event = do_record(timed);
  if (event->timed_by_host) {
    wait_for(*event, meanwhile);
    event->time = std::chrono::steady_clock::now();
  }
  return event;
}

bool Device::query(const std::shared_ptr<Event>& event) {
  check_open();
  check_owned(event.get(), "event");
  refuse_in_capture("a query of an event");
  return do_query(*event);
}

bool Device::query() {
  check_open();
  refuse_in_capture("a query of the device");
  return do_query();
}

void Device::wait(const std::shared_ptr<Event>& event, const Meanwhile& meanwhile) {
  check_open();
  check_owned(event.get(), "event");
  refuse_in_capture("a wait for an event");
  wait_for(*event, meanwhile);
}

std::chrono::steady_clock::time_point Device::time_of(const std::shared_ptr<Event>& event, const Meanwhile& meanwhile) {
  wait(event, meanwhile);
  if (!event->time) {
    throw DeviceError("expected an event that was recorded as a timed one, got one that was not");
  }
  return *event->time;
}

DramUsage Device::dram_usage() {
  check_open();
  return do_dram_usage();
}

void Device::check_open() const {
  process_.require_current();
  if (closed_) {
    throw DeviceError(str(properties().runtime, " device ", index_, " is closed; nothing of it can be used any more"));
  }
}

template <typename Owned>
void Device::check_owned(const Owned* owned, const char* what) const {
  if (owned == nullptr || owned->owner() != owner()) {
    throw DeviceError(
        str("expected a ", what, " of ", properties().runtime, " device ", index_, ", got one of another device"));
  }
}

void Device::check_num_common_args(Program& program, uint64_t count) {
  uint64_t expected = Program::kNotLaunched;
  if (!program.num_common_args_.compare_exchange_strong(expected, count) && count != expected) {
    throw DeviceError(
        str("program '",
            program.name(),
            "': expected ",
            expected,
            " common run-time arguments, as at its first launch, got ",
            count));
  }
}

}  // namespace moe::tt::runtime
