#pragma once

#include <atomic>
#include <chrono>
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

// Thrown in a kernel to unwind it when another kernel of the launch has failed.
struct Aborted {};

// Runs the kernels of one launch at a time, all of them concurrently, and knows which kernel waits for what.
//
// About as many kernels run as the host has processors. Another one starts when one waits or ends, so kernels that
// never wait cost no switch of threads. A kernel that polls does not hold up the others, because all of them start
// after a while. Under ThreadSanitizer each kernel starts at once on its own thread, because ThreadSanitizer finds no
// race between two kernels that ran on the same thread.
class Scheduler {
 public:
  static constexpr uint32_t kKernelsPerCore = 2;

  using Body = std::function<void(uint32_t kernel)>;
  using Who = std::function<std::string(uint32_t kernel)>;

  explicit Scheduler(std::chrono::seconds time_limit) : time_limit_(time_limit) {}

  // Runs body(0) to body(count - 1). Throws the first failure that abort() was given, and DeviceError if the kernels
  // have not ended within the time limit. The kernels' cores are below `cores`. `who` names a kernel for a report.
  void run(uint32_t count, uint32_t cores, const Body& body, const Who& who);

  // Kernels call the functions that follow.

  // Waits, in `slot` of a core, until the condition holds. Throws Aborted. `who` is called only for a report.
  void wait(
      uint32_t kernel,
      uint32_t core,
      uint32_t slot,
      const Condition& condition,
      const std::function<std::string()>& who);

  // Tells the waiting kernels of a core that a semaphore or a circular buffer there has changed.
  void signal(uint32_t core);

  // Ends the launch. Each kernel unwinds when it next calls the scheduler or checks aborted(). One that does neither is
  // stopped.
  void abort(std::exception_ptr failure);

  bool aborted() const {
    return aborted_.load(std::memory_order_relaxed);
  }
  // What a FaultGuard looks at.
  const std::atomic<bool>& stop() const {
    return aborted_;
  }

 private:
  enum class State : uint8_t { kNotStarted, kRunning, kWaiting, kEnded };

  struct Waiter {
    const Condition* condition = nullptr;  // nullptr while no kernel waits
    uint32_t kernel = 0;
    const std::function<std::string()>* who = nullptr;
    std::condition_variable woken;
  };
  struct Core {
    std::atomic<uint32_t> num_waiting = 0;
    Waiter waiters[kKernelsPerCore];
  };

  void work();
  std::optional<uint32_t> begin_kernel();
  void end_kernel(uint32_t kernel);
  void start_thread();
  void start_all();
  bool wake_if_holds(Waiter& waiter);
  void look_for_deadlock();
  std::string describe_waiting() const;
  std::string describe_late(const Who& who) const;
  void abort_locked(std::exception_ptr failure);

  const std::chrono::seconds time_limit_;
  const ThreadPool::Work work_ = [this] { work(); };

  std::atomic<bool> aborted_ = false;
  std::atomic<uint32_t> ended_ = 0;  // threads that are done with this launch

  std::mutex mutex_;  // guards the members that follow
  std::condition_variable all_ended_;
  const Body* body_ = nullptr;
  uint32_t count_ = 0;    // kernels of this launch
  uint32_t next_ = 0;     // the first kernel that was not started
  uint32_t running_ = 0;  // kernels that have started and neither ended nor wait
  uint32_t waiting_ = 0;
  uint32_t num_threads_ = 0;  // threads that work for this launch
  uint32_t num_cores_ = 0;
  std::exception_ptr failure_;
  std::vector<State> states_;  // of the kernels
  std::vector<std::unique_ptr<Core>> cores_;

  ThreadPool threads_;  // last: they use the others
};

}  // namespace moe::tt::runtime::emulated
