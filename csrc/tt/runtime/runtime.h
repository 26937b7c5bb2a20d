#pragma once

// What a Tenstorrent device can do, in terms that neither torch nor TT-Metalium define: their headers clash (both ship
// fmt), and TT-Metalium's API changes with every release. Behind this interface stand `emulated`, which runs the
// kernels in this process, and `metal`, which launches them through TT-Metalium.
//
// A worker core has a place in three systems of coordinates. On Wormhole, of 8 columns (grid_x) and 9 rows (grid_y):
//
//      core number             logical (x, y)                   NoC (x, y)
//
//    0   1   2  ..   7    (0, 0) (1, 0) .. (7, 0)    (18, 18) (19, 18) .. (25, 18)
//    8   9  10  ..  15    (0, 1) (1, 1) .. (7, 1)    (18, 19) (19, 19) .. (25, 19)
//   ..                    ..                         ..
//   64  65  66  ..  71    (0, 8) (1, 8) .. (7, 8)    (18, 26) (19, 26) .. (25, 26)
//
//   core number   what this interface takes, from 0 to num_cores() - 1
//   logical       (core % grid_x, core / grid_x): messages, and a kernel's get_absolute_logical_x() and _y()
//   NoC           noc_coordinates(core): a kernel's get_noc_addr(x, y, address). They are the chip's own and have gaps
//                 (Blackhole has no worker cores in two columns in between): ask for each core.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "export.h"
#include "tt/runtime/errors.h"
#include "tt/runtime/process.h"

namespace moe::tt::runtime {

struct DeviceProperties {
  std::string runtime;       // "emulated" or "metal"
  std::string name;          // for people
  std::string architecture;  // tt-metal's name: "wormhole_b0" or "blackhole"
  uint32_t grid_x;           // columns and rows of worker cores
  uint32_t grid_y;
  uint32_t l1_size;        // bytes of L1 a core has
  uint32_t l1_unreserved;  // address from which a program may use L1; firmware and kernels are below
  uint32_t dram_banks;
  uint64_t dram_size;       // bytes, all banks together
  uint32_t dram_alignment;  // bytes: what a NoC read from DRAM and its destination must agree on

  bool operator==(const DeviceProperties&) const = default;

  uint32_t num_cores() const {
    return grid_x * grid_y;
  }
};

// Bytes between DRAM and the cores, as kernels asked the NoCs for them.
struct DramTraffic {
  uint64_t read = 0;
  uint64_t written = 0;
};

// A run of bytes in DRAM, striped in pages over the banks: page i is in bank i % dram_banks, page_size bytes long, at
// address() + i / dram_banks * page_size there.
class Buffer {
 public:
  virtual ~Buffer() = default;

  // Identifies its device; kept alive by the buffer, so that no other device has the same.
  virtual const void* owner() const = 0;

  virtual uint32_t address() const = 0;  // the same in every bank
  virtual uint64_t size() const = 0;     // a multiple of page_size()
  virtual uint32_t page_size() const = 0;

  // Whether a graph, or a capture, launches on it: nobody else may have its memory.
  bool is_captured() const {
    return num_captured_ > 0;
  }

 private:
  friend class CapturedLaunch;

  std::atomic<uint32_t> num_captured_ = 0;
};

// The bytes of a buffer from an offset on.
struct BufferSpan {
  std::shared_ptr<Buffer> buffer;  // null if there are no bytes
  uint64_t offset = 0;
};

// What becomes of the bytes behind those that are written, in the last page.
enum class RestOfPage : uint8_t {
  kKept,
  kUndefined,  // nobody uses them; a runtime that writes whole pages need not wait to read what was there
};

// The data-movement processors of a Tensix core, by tt-metal's names.
enum class Processor : uint8_t {
  kRiscv0,  // BRISC
  kRiscv1,  // NCRISC
};

inline const char* name_of(Processor processor) {
  return processor == Processor::kRiscv0 ? "riscv0" : "riscv1";
}

// A range of core numbers.
struct Cores {
  uint32_t first = 0;
  uint32_t count = 1;
};

// A region of L1, at the same address on every core of the program. Kernels find it by get_write_ptr(index); as a
// queue between two kernels of a core it holds num_pages of page_size.
struct CircularBuffer {
  uint32_t index;
  uint32_t page_size;  // bytes, a multiple of 16
  uint32_t num_pages = 1;
};

// Code for one processor of some cores.
struct Kernel {
  std::string name;  // of a file in csrc/tt/kernels, without its ending
  Processor processor = Processor::kRiscv0;
  Cores cores;
  std::vector<uint32_t> compile_args;
  // For each core of `cores`, what get_arg_val reads.
  std::vector<std::vector<uint32_t>> runtime_args;
};

// Everything about a launch but its common run-time arguments.
struct ProgramDescription {
  std::string name;  // for messages
  Cores cores;       // what the kernels use together
  std::vector<CircularBuffer> circular_buffers;
  std::vector<uint32_t> semaphores;  // initial values at every launch; the position is the id for get_semaphore
  std::vector<Kernel> kernels;
  // Of a launch's buffers, the first so many are written, and the others only read. None: any may be written.
  std::optional<uint32_t> num_written = std::nullopt;
};

// A program that was checked and built, to be launched any number of times.
class Program {
 public:
  explicit Program(const ProgramDescription& description) : name_(description.name) {
    for (const Kernel& kernel : description.kernels) {
      for (const auto& args : kernel.runtime_args) {
        max_runtime_args_ = std::max<uint64_t>(max_runtime_args_, args.size());
      }
    }
  }
  virtual ~Program() = default;

  // As Buffer::owner.
  virtual const void* owner() const = 0;

  const std::string& name() const {
    return name_;
  }
  bool was_launched() const {
    return num_common_args_ != kNotLaunched;
  }
  // The most run-time arguments that a kernel has of its own on any core.
  uint64_t max_runtime_args() const {
    return max_runtime_args_;
  }

 private:
  friend class Device;

  static constexpr uint64_t kNotLaunched = ~uint64_t{0};

  std::string name_;
  uint64_t max_runtime_args_ = 0;
  // Of the first launch: TT-Metalium reserves space for them then.
  std::atomic<uint64_t> num_common_args_ = kNotLaunched;
};

// A place in a device's queue, behind everything that was enqueued when it was recorded.
class Event {
 public:
  virtual ~Event() = default;

  // As Buffer::owner.
  virtual const void* owner() const = 0;

  bool timed_by_host = false;
  std::optional<std::chrono::steady_clock::time_point> time;  // of a timed one, once the queue has come there
};

// What a wait calls several times a second for as long as it lasts, on its thread and without a lock. It may throw:
// that ends the wait, and nothing else; the queue goes on.
using Meanwhile = std::function<void()>;

class Capture;
class CapturedLaunch;
class Graph;

// What a device has to do with a chip.
enum class ChipUse : uint8_t {
  kNone,      // it has none
  kOwned,     // it opened the chip, which nothing else in this process may open beside it
  kBorrowed,  // other code of this process, as ttnn, opened the chip; the memory is shared with it
  kLost,      // that code has closed the chip: every call throws, and the runtime may be able to open it again
};

// A device with one in-order queue. Calls may come from any thread, and nothing is enqueued by one that throws. Buffers
// and programs may outlive the device: after close() they are empty, and using them throws.
//
// The queue is bounded: what enqueues (a launch, a replay, a write, a timed event) waits while too much has not ended
// yet. See wait_for_room().
//
// A launch fails later than launch(): the next read() or synchronize() throws the first failure since the last one that
// was thrown. What is enqueued behind the failed launch runs all the same. What that launch was to write is undefined;
// the device, its programs and its other buffers stay as they are. Only a chip that does not answer is lost: then the
// message says so, and further calls throw.
//
// The public functions check their arguments and throw DeviceError; a runtime implements the `do_*` functions behind
// them and trusts what it gets.
class Device {
 public:
  explicit Device(uint32_t index) : index_(index) {}
  virtual ~Device() = default;

  virtual const DeviceProperties& properties() const = 0;

  // `page_size` is a multiple of dram_alignment; `size` is rounded up to it. The bytes are undefined. Throws
  // OutOfMemory.
  std::shared_ptr<Buffer> allocate(uint64_t size, uint32_t page_size);

  // Memory that other code has allocated on a borrowed chip, `address` in every bank, as a buffer that does not own it:
  // its owner keeps it allocated. `page_size` as for allocate(), `size` a multiple of it.
  std::shared_ptr<Buffer> view(uint32_t address, uint64_t size, uint32_t page_size);

  // Bytes of a buffer, from any offset; each happens after everything enqueued before.
  // The source may be reused when write returns.
  void write(
      const std::shared_ptr<Buffer>& buffer,
      uint64_t offset,
      std::span<const std::byte> source,
      RestOfPage rest = RestOfPage::kKept);
  // Waits until the bytes are there, and throws the first failure as synchronize() does.
  void read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination);

  // The NoC coordinates of a core as a kernel's get_noc_addr(x, y, address) takes them.
  std::pair<uint32_t, uint32_t> noc_coordinates(uint32_t core) const;

  virtual ChipUse chip_use() const {
    return ChipUse::kNone;
  }

  // The compile-time arguments that a kernel's TensorAccessorArgs reads: the same for every buffer, whose page size a
  // kernel gets at run time.
  virtual std::vector<uint32_t> tensor_accessor_args() const = 0;

  // Compiles the kernels before it returns. `metal` has TT-Metalium compile each for itself, on its threads, and other
  // calls on the device wait for it: seconds, unless TT-Metalium's cache of an earlier process has them. `emulated`
  // finds them compiled, and several threads may build at once. Throws DeviceError if the description breaks a limit of
  // the chip, or if a kernel does not exist or does not compile.
  std::shared_ptr<Program> build(const ProgramDescription& description);

  // Enqueues a launch and returns. `common_args` is what get_common_arg_val reads, the same for every kernel;
  // every launch of a program has as many as its first one. The memory of the buffers holds what the launch reads and
  // writes until it has ended, also when the caller gives them up before.
  void launch(
      const std::shared_ptr<Program>& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers);

  // Until the capture ends, what this thread launches is kept in it and not enqueued; other threads' calls are as ever.
  // A program must have been launched before. Whatever else needs the device (a copy, a wait, an event, a replay)
  // throws, and so does the end. A thread has one capture of a device at a time.
  std::shared_ptr<Capture> begin_capture();
  // Whether this thread captures.
  MOE_API bool is_capturing() const;
  // How many captures are under way, of all threads.
  uint32_t num_captures() const {
    return *num_captures_;
  }
  // The launches since this thread's capture began, which it takes. Whatever is thrown, the capture has ended, unless
  // it is another thread's.
  std::shared_ptr<Graph> end_capture(std::shared_ptr<Capture>& capture);
  // Throws if this thread captures, for `what` cannot be captured.
  void refuse_in_capture(const std::string& what) const;

  // Enqueues the launches of a graph, in their order, and returns. They fail as other launches do. The graph holds its
  // programs and buffers until it is given up and they have ended.
  void replay(const std::shared_ptr<Graph>& graph);

  // Whether what enqueues need not wait now: a thread that captures never need.
  bool has_room();
  // Waits until it need not. For who lets a user interrupt that: what enqueues waits for itself, but not so.
  void wait_for_room(const Meanwhile& meanwhile = nullptr);

  // Waits for everything enqueued so far, and throws the first failure since the last call.
  MOE_API void synchronize(const Meanwhile& meanwhile = nullptr);

  // Marks the place behind everything enqueued so far. A timed event also knows when the queue came there. `metal` has
  // no clock for that: the call waits for the queue, and looks at the host's. Without fast dispatch, TT-Metalium's
  // queue marks no places, and every event waits for the one launch that may be under way.
  std::shared_ptr<Event> record(bool timed = false, const Meanwhile& meanwhile = nullptr);

  // Whether everything before the event has ended. Throws no failure of a launch: that is left to synchronize().
  bool query(const std::shared_ptr<Event>& event);
  // Whether everything enqueued has ended.
  bool query();

  // Waits for what is before the event, and for nothing behind it. Throws no failure of a launch.
  void wait(const std::shared_ptr<Event>& event, const Meanwhile& meanwhile = nullptr);

  // When the queue came to a timed event, which it waits for, by the host's clock.
  std::chrono::steady_clock::time_point time_of(
      const std::shared_ptr<Event>& event, const Meanwhile& meanwhile = nullptr);

  // How much memory is taken now, by whomever. A buffer takes the same addresses in every bank.
  DramUsage dram_usage();

  // Launches enqueued since the device was opened.
  uint64_t num_launches() const {
    return num_launches_;
  }

  // What the launches that have ended moved; nothing if the device does not count it.
  virtual std::optional<DramTraffic> dram_traffic() const = 0;

  // Waits, frees everything and throws nothing. Further calls throw.
  void close() noexcept {
    closed_ = true;
    do_close();
  }

 protected:
  uint32_t index() const {
    return index_;
  }

  // The owner() of this device's buffers and programs.
  virtual const void* owner() const = 0;

  virtual std::shared_ptr<Buffer> do_allocate(uint64_t size, uint32_t page_size) = 0;
  // Called of borrowed devices only.
  virtual std::shared_ptr<Buffer> do_view(uint32_t /*address*/, uint64_t /*size*/, uint32_t /*page_size*/) {
    return nullptr;
  }
  virtual void do_write(
      const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<const std::byte> source, RestOfPage rest) = 0;
  virtual void do_read(const std::shared_ptr<Buffer>& buffer, uint64_t offset, std::span<std::byte> destination) = 0;
  virtual std::pair<uint32_t, uint32_t> do_noc_coordinates(uint32_t core) const = 0;
  virtual std::shared_ptr<Program> do_build(const ProgramDescription& description) = 0;
  virtual void do_launch(
      const std::shared_ptr<Program>& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers) = 0;
  // The launches are of programs that were launched before.
  virtual std::shared_ptr<Graph> do_capture(std::vector<CapturedLaunch> launches) = 0;
  virtual void do_replay(const std::shared_ptr<Graph>& graph) = 0;
  // Waits for room in the queue, but no longer than that; returns whether there is. Where the queue waits by itself,
  // there always is.
  virtual bool do_wait_for_room(std::chrono::milliseconds /*longest*/) {
    return true;
  }
  // Throws the first failure of what has ended; waits for nothing that has not.
  virtual void do_throw_failure() = 0;
  // Does not wait. A runtime that cannot tell when its queue comes to a timed event leaves that to the host, by
  // Event::timed_by_host.
  virtual std::shared_ptr<Event> do_record(bool timed) = 0;
  virtual bool do_query(const Event& event) = 0;
  virtual bool do_query() = 0;
  // Waits for the event, but no longer than that; returns whether it has ended.
  virtual bool do_wait(const Event& event, std::chrono::milliseconds longest) = 0;
  virtual DramUsage do_dram_usage() = 0;
  // May be called again, and in a forked child.
  virtual void do_close() noexcept = 0;

 private:
  void check_open() const;
  void check_page_size(uint32_t page_size) const;
  template <typename Owned>
  void check_owned(const Owned* owned, const char* what) const;
  static void check_num_common_args(Program& program, uint64_t count);
  // Keeps a launch in this thread's capture, if there is one.
  bool try_capture(
      const std::shared_ptr<Program>& program,
      std::span<const uint32_t> common_args,
      std::span<const std::shared_ptr<Buffer>> buffers) const;
  // Every wait for what is enqueued.
  void wait_for(const Event& event, const Meanwhile& meanwhile);

  const Process process_;
  const uint32_t index_;
  std::atomic<bool> closed_ = false;
  std::atomic<uint64_t> num_launches_ = 0;
  const std::shared_ptr<std::atomic<uint32_t>> num_captures_ = std::make_shared<std::atomic<uint32_t>>(0);
};

// A way to reach devices.
class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual std::string name() const = 0;
  // How many devices there are, without opening any; never throws.
  virtual uint32_t device_count() const noexcept = 0;
  virtual std::unique_ptr<Device> open(uint32_t index) = 0;
};

// In this process, on the host. Takes its chip from TORCH_TT_EMULATED_ARCH (wormhole_b0, blackhole) and its number of
// devices from TORCH_TT_EMULATED_DEVICES; throws EnvironmentError if one of them is not valid.
std::unique_ptr<Runtime> make_emulated_runtime();

}  // namespace moe::tt::runtime
