#include "tt/runtime/emulated/execution/scheduler.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "tt/runtime/emulated/execution/fault_guard.h"
#include "tt/runtime/emulated/execution/tsan.h"
#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

namespace {

// How long kernels that neither wait nor end may keep others from starting.
constexpr std::chrono::milliseconds kPatience(20);

// A longer list of kernels would be hard to read.
constexpr uint32_t kReportedKernels = 16;

}  // namespace

void Scheduler::run(uint32_t count, uint32_t cores, const Body& body, const Who& who) {
  const auto limit = std::chrono::steady_clock::now() + time_limit_;
  // Threads are created before the first kernel runs. If the system has too few, no kernel has to be stopped.
  threads_.reserve(count);
  std::unique_lock lock(mutex_);
  body_ = &body;
  count_ = count;
  next_ = 0;
  running_ = 0;
  waiting_ = 0;
  num_threads_ = 0;
  num_cores_ = cores;
  states_.assign(count, State::kNotStarted);
  failure_ = nullptr;
  aborted_ = false;
  ended_ = 0;
  while (cores_.size() < cores) {
    cores_.push_back(std::make_unique<Core>());
  }
  if (kThreadSanitizer) {
    start_all();
  } else {
    uint32_t processors = std::max(2u, std::thread::hardware_concurrency());
    for (uint32_t i = 0; i < std::min(count, processors); ++i) {
      start_thread();
    }
  }
  auto done = [this] { return ended_.load(std::memory_order_acquire) == num_threads_; };
  std::optional<FaultGuard::Stopper> stopper;
  while (!all_ended_.wait_for(lock, kPatience, done)) {
    if (!aborted()) {
      start_all();
      if (std::chrono::steady_clock::now() >= limit) {
        abort_locked(std::make_exception_ptr(DeviceError(describe_late(who))));
      }
      continue;
    }
    if (!stopper) {
      stopper.emplace();
    }
    for (uint32_t thread = 0; thread < num_threads_; ++thread) {
      stopper->stop(threads_.handle(thread));
    }
  }
  if (std::exception_ptr failure = std::exchange(failure_, nullptr)) {
    std::rethrow_exception(failure);
  }
}

void Scheduler::start_thread() {
  // A thread takes one kernel after another, so as many threads as kernels are enough.
  if (num_threads_ < count_) {
    threads_.run(num_threads_++, work_);
  }
}

void Scheduler::start_all() {
  for (uint32_t missing = count_ - next_; missing > 0; --missing) {
    start_thread();
  }
}

void Scheduler::work() {
  while (std::optional<uint32_t> kernel = begin_kernel()) {
    (*body_)(*kernel);
    end_kernel(*kernel);
    if (kThreadSanitizer) {
      break;
    }
  }
  // The only order that ThreadSanitizer may see: kernels come before what follows the launch.
  ended_.fetch_add(1, std::memory_order_release);
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  all_ended_.notify_one();
}

std::optional<uint32_t> Scheduler::begin_kernel() {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  if (next_ == count_ || aborted()) {
    return std::nullopt;
  }
  ++running_;
  states_[next_] = State::kRunning;
  return next_++;
}

void Scheduler::end_kernel(uint32_t kernel) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  --running_;
  states_[kernel] = State::kEnded;
  look_for_deadlock();
}

void Scheduler::wait(
    uint32_t kernel,
    uint32_t core,
    uint32_t slot,
    const Condition& condition,
    const std::function<std::string()>& who) {
  // Only the condition's acquire load orders a waiter after its signaller. The scheduler's locks are hidden from
  // ThreadSanitizer on purpose.
  while (!condition.holds()) {
    OutOfSanitizersSight unseen;
    Core& at = *cores_[core];
    Waiter& waiter = at.waiters[slot];
    std::unique_lock lock(mutex_);
    // Either the signalling kernel sees this increment, or this thread sees that the condition holds.
    at.num_waiting.fetch_add(1, std::memory_order_acq_rel);
    if (!aborted() && !condition.holds()) {
      waiter.condition = &condition;
      waiter.kernel = kernel;
      waiter.who = &who;
      states_[kernel] = State::kWaiting;
      --running_;
      ++waiting_;
      if (next_ < count_) {
        start_thread();
      }
      look_for_deadlock();
      waiter.woken.wait(lock, [&] { return waiter.condition == nullptr; });
    }
    at.num_waiting.fetch_sub(1, std::memory_order_relaxed);
    if (aborted()) {
      throw Aborted();
    }
  }
}

void Scheduler::signal(uint32_t core) {
  OutOfSanitizersSight unseen;
  Core& at = *cores_[core];
  if (at.num_waiting.fetch_add(0, std::memory_order_acq_rel) == 0) {
    return;
  }
  std::scoped_lock lock(mutex_);
  for (Waiter& waiter : at.waiters) {
    wake_if_holds(waiter);
  }
}

bool Scheduler::wake_if_holds(Waiter& waiter) {
  if (waiter.condition == nullptr || !(aborted() || waiter.condition->holds())) {
    return false;
  }
  waiter.condition = nullptr;
  states_[waiter.kernel] = State::kRunning;
  --waiting_;
  ++running_;
  waiter.woken.notify_one();
  return true;
}

void Scheduler::look_for_deadlock() {
  // A kernel that runs or is about to start may still do what the others wait for. A kernel that has done so and not
  // yet called signal() counts as running.
  if (running_ > 0 || waiting_ == 0 || (next_ < count_ && !aborted())) {
    return;
  }
  bool woken = false;
  for (uint32_t core = 0; core < num_cores_; ++core) {
    for (Waiter& waiter : cores_[core]->waiters) {
      woken |= wake_if_holds(waiter);
    }
  }
  if (woken) {
    return;
  }
  abort_locked(
      std::make_exception_ptr(DeviceError(
          str("deadlock: ",
              waiting_,
              waiting_ == 1 ? " kernel waits" : " kernels wait",
              " and no other kernel runs",
              describe_waiting()))));
}

std::string Scheduler::describe_waiting() const {
  std::string report;
  uint32_t reported = 0;
  for (uint32_t core = 0; core < num_cores_; ++core) {
    for (const Waiter& waiter : cores_[core]->waiters) {
      if (waiter.condition != nullptr && reported < kReportedKernels) {
        report += str("\n  ", (*waiter.who)(), " waits for ", waiter.condition->describe());
        ++reported;
      }
    }
  }
  if (reported < waiting_) {
    report += str("\n  and ", waiting_ - reported, " more");
  }
  return report;
}

std::string Scheduler::describe_late(const Who& who) const {
  std::string report =
      str("did not end within the ", time_limit_.count(), " s that TORCH_TT_EMULATED_TIMEOUT allows a launch");
  uint32_t late = 0;
  for (uint32_t kernel = 0; kernel < count_; ++kernel) {
    if (states_[kernel] == State::kRunning && late++ < kReportedKernels) {
      report += str("\n  ", who(kernel), " still runs");
    }
  }
  if (late > kReportedKernels) {
    report += str("\n  and ", late - kReportedKernels, " more");
  }
  return report + describe_waiting();
}

void Scheduler::abort(std::exception_ptr failure) {
  OutOfSanitizersSight unseen;
  std::scoped_lock lock(mutex_);
  abort_locked(std::move(failure));
}

void Scheduler::abort_locked(std::exception_ptr failure) {
  if (!failure_) {
    failure_ = std::move(failure);
  }
  aborted_.store(true, std::memory_order_relaxed);
  for (uint32_t core = 0; core < num_cores_; ++core) {
    for (Waiter& waiter : cores_[core]->waiters) {
      wake_if_holds(waiter);
    }
  }
}

}  // namespace moe::tt::runtime::emulated
