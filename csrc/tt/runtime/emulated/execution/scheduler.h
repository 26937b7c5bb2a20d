#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tt/runtime/emulated/execution/condition.h"
#include "tt/runtime/emulated/execution/thread_pool.h"

namespace moe::tt::runtime::emulated {

// Unwinds a kernel of a launch that has failed elsewhere.
struct Aborted {};

// Runs the kernels of one launch at a time, all of them concurrently, and knows who waits for what.
//
// Kernels that run are kept to about the number of processors: another one starts when one waits or ends, so that what
// never waits costs no switch of threads. One that polls does not hold up others, for after a while all are started.
// Under ThreadSanitizer each starts at once on a thread of its own, for what ran earlier on a thread can race with
// nothing that runs there later.
class Scheduler {
 public:
  static constexpr uint32_t kKernelsPerCore = 2;

  using Body = std::function<void(uint32_t kernel)>;

  // Runs body(0) to body(count - 1); throws what abort() was first given, if it was. `cores` is how many cores the
  // kernels may stand on.
  void run(uint32_t count, uint32_t cores, const Body& body);

  // The rest is called by the kernels that run.

  // Waits, in `slot` of a core, until the condition holds. Throws Aborted. `who` is asked only for a report.
  void wait(uint32_t core, uint32_t slot, const Condition& condition, const std::function<std::string()>& who);

  // Something that a kernel of this core may wait for has changed.
  void signal(uint32_t core);

  // Ends the launch: each kernel unwinds when it next calls the scheduler or looks at aborted().
  void abort(std::exception_ptr failure);

  bool aborted() const {
    return aborted_.load(std::memory_order_relaxed);
  }

 private:
  struct Waiter {
    const Condition* condition = nullptr;  // none where no kernel waits
    const std::function<std::string()>* who = nullptr;
    std::condition_variable woken;
  };
  struct Core {
    std::atomic<uint32_t> num_waiting = 0;
    Waiter waiters[kKernelsPerCore];
  };

  void work();
  std::optional<uint32_t> begin_kernel();
  void end_kernel();
  void start_thread();
  void start_all();
  bool wake_if_holds(Waiter& waiter);
  void look_for_deadlock();
  void abort_locked(std::exception_ptr failure);

  const ThreadPool::Work work_ = [this] { work(); };

  std::atomic<bool> aborted_ = false;
  std::atomic<uint32_t> ended_ = 0;  // threads that have nothing more to do in this launch

  std::mutex mutex_;  // of what follows
  std::condition_variable all_ended_;
  const Body* body_ = nullptr;
  uint32_t count_ = 0;    // kernels of this launch
  uint32_t next_ = 0;     // the first that was not started
  uint32_t running_ = 0;  // started, neither ended nor waiting
  uint32_t waiting_ = 0;
  uint32_t num_threads_ = 0;  // that work for this launch
  uint32_t num_cores_ = 0;
  std::exception_ptr failure_;
  std::vector<std::unique_ptr<Core>> cores_;

  ThreadPool threads_;  // last: they use the others
};

}  // namespace moe::tt::runtime::emulated
