#include "ops/tt/thread_launcher.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/graph_task.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/memory/device_span.h"
#include "tt/backend/profiler/launch_trace.h"

namespace moe::tt {
namespace {

// Of so many threads that have ended, calls that nobody has waited for are kept on a device, for somebody's wait; and
// of so many graphs that are gone, those that a thread has replayed. Each has a launcher with its memory.
constexpr int kMostUnawaited = 64;

at::Tensor empty_records(backend::TorchDevice& device) {
  const auto bytes = static_cast<int64_t>(launch::InvalidIds::num_bytes(device.runtime_device().properties()));
  return at::empty({bytes}, at::TensorOptions(at::kByte).device(c10::DeviceType::PrivateUse1, device.index()));
}

// A launcher that one thread at a time has.
struct Lent {
  Lent(backend::TorchDevice& device, const std::shared_ptr<launch::ProgramCache>& programs, at::Tensor memory)
      : records(std::move(memory)),
        launcher(
            programs,
            backend::span_of(records),
            [&device](const std::string& kernel, const std::function<void()>& launch) {
              device.wait_for_room();
              backend::trace_launch(device.index(), kernel, launch);
            }) {}

  const at::Tensor records;  // keeps the launcher's memory
  launch::Launcher launcher;
  bool is_lent = true;
};

// The launchers of one device. Never destroyed, as the device.
class ThreadLaunchers final : public backend::Launches {
 public:
  explicit ThreadLaunchers(backend::TorchDevice& device)
      : device_(device), programs_(std::make_shared<launch::ProgramCache>(device.runtime_device())) {}

  launch::Launcher& mine();
  std::shared_ptr<CapturedCalls> begin_capture();
  // Throws the first error of a launcher's calls, and forgets it. Waits for them.
  static void raise_error_of(Lent& lent);
  void raise_error() override;
  void report_errors() noexcept override;

  // Takes back what a thread had that has ended.
  void give_back(Lent& lent) noexcept;

 private:
  // One that no thread has, with calls that nobody has waited for, or without; or null.
  Lent* lend(bool has_calls);
  // One without.
  Lent& lend_unused();
  // Says what the calls of those threads have left that have ended, and have no wait to raise it.
  void report_ended();
  void report(Lent& lent);

  backend::TorchDevice& device_;
  const std::shared_ptr<launch::ProgramCache> programs_;
  std::atomic<int> ended_ = 0;  // came back with calls

  std::mutex mutex_;  // guards what is below, and is_lent
  std::list<Lent> launchers_;
};

// A launcher until it is given back.
class Lease {
 public:
  Lease(ThreadLaunchers& lender, Lent& lent) : lender_(lender), lent_(lent) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    // In a forked child, a thread of the parent may hold the lender's mutex.
    if (!backend::in_bad_fork()) {
      lender_.give_back(lent_);
    }
  }

  bool is_of(const ThreadLaunchers& lender) const {
    return &lender == &lender_;
  }
  bool is_of_same(const Lease& other) const {
    return is_of(other.lender_);
  }

  Lent& lent() const {
    return lent_;
  }

 private:
  ThreadLaunchers& lender_;
  Lent& lent_;
};

// A graph's launcher, for as long as the graph lives and somebody has not waited for its replays.
class CapturedLease final : public CapturedCalls, public std::enable_shared_from_this<CapturedLease> {
 public:
  CapturedLease(ThreadLaunchers& lender, Lent& lent) : lease_(lender, lent) {}

  void end_capture() override {
    num_calls_ = lease_.lent().launcher.invalid_ids.end_capture();
  }
  void begin_replay() override;

  const Lease& lease() const {
    return lease_;
  }

 private:
  const Lease lease_;
  uint32_t num_calls_ = 0;
};

// What a thread has: one launcher for each device that it has used, by itself or in a backward pass, and those of the
// graphs that it captures or has replayed.
class Borrowed {
 public:
  void add_captured(const std::shared_ptr<CapturedLease>& captured) {
    std::erase_if(captured_, [](const auto& weak) { return weak.expired(); });
    captured_.push_back(captured);
  }

  // Of the graph that the thread captures, for the one that began last is under way.
  Lent* find_captured(const ThreadLaunchers& lender) const {
    Lent* found = nullptr;
    for (const auto& weak : captured_) {
      const auto captured = weak.lock();
      found = captured != nullptr && captured->lease().is_of(lender) ? &captured->lease().lent() : found;
    }
    return found;
  }

  void add_replayed(std::shared_ptr<CapturedLease> replayed) {
    if (std::ranges::find(replayed_, replayed) != replayed_.end()) {
      return;
    }
    // Many are as those of threads that have ended.
    const auto is_gone = [&](const auto& other) {
      return other.use_count() == 1 && other->lease().is_of_same(replayed->lease());
    };
    if (std::ranges::count_if(replayed_, is_gone) >= kMostUnawaited) {
      replayed_.erase(std::ranges::find_if(replayed_, is_gone));
    }
    replayed_.push_back(std::move(replayed));
  }

  // Of the device, which the thread has no longer.
  std::vector<std::shared_ptr<CapturedLease>> take_replayed(const ThreadLaunchers& lender) {
    std::vector<std::shared_ptr<CapturedLease>> taken;
    std::erase_if(replayed_, [&](const auto& replayed) {
      const bool is_of = replayed->lease().is_of(lender);
      if (is_of) {
        taken.push_back(replayed);
      }
      return is_of;
    });
    return taken;
  }

  Lent* find(const ThreadLaunchers& lender) {
    const int pass = torch::autograd::get_current_graph_task_id();
    if (pass == kNoPass) {
      const auto found = std::ranges::find_if(own_, [&](const auto& lease) { return lease->is_of(lender); });
      return found == own_.end() ? nullptr : &(*found)->lent();
    }
    std::erase_if(passes_, [](const OfPass& entry) { return entry.lease.expired(); });
    for (const OfPass& entry : passes_) {
      const auto lease = entry.lease.lock();
      if (entry.pass == pass && lease != nullptr && lease->is_of(lender)) {
        return &lease->lent();
      }
    }
    return nullptr;
  }

  void add(ThreadLaunchers& lender, Lent& lent) {
    const int pass = torch::autograd::get_current_graph_task_id();
    if (pass == kNoPass) {
      own_.push_back(std::make_unique<Lease>(lender, lent));
      return;
    }
    auto lease = std::make_shared<Lease>(lender, lent);
    passes_.push_back({pass, lease});
    // For the pass's end. Where an error ends it before, the callback goes, and with it the lease.
    torch::autograd::Engine::get_default_engine().queue_callback(
        [lease = std::move(lease)] { ThreadLaunchers::raise_error_of(lease->lent()); });
  }

 private:
  static constexpr int kNoPass = -1;

  struct OfPass {
    int pass;                    // autograd's number of the backward pass
    std::weak_ptr<Lease> lease;  // which the pass has
  };

  std::vector<std::unique_ptr<Lease>> own_;
  std::vector<OfPass> passes_;
  std::vector<std::weak_ptr<CapturedLease>> captured_;
  std::vector<std::shared_ptr<CapturedLease>> replayed_;
};

thread_local Borrowed borrowed;

void CapturedLease::begin_replay() {
  lease_.lent().launcher.invalid_ids.begin_replay(num_calls_);
  borrowed.add_replayed(shared_from_this());
}

launch::Launcher& ThreadLaunchers::mine() {
  if (device_.is_capturing()) {
    if (Lent* const captured = borrowed.find_captured(*this)) {
      return captured->launcher;
    }
  }
  Lent* lent = borrowed.find(*this);
  if (lent == nullptr) {
    lent = &lend_unused();
    borrowed.add(*this, *lent);
  }
  return lent->launcher;
}

std::shared_ptr<CapturedCalls> ThreadLaunchers::begin_capture() {
  auto captured = std::make_shared<CapturedLease>(*this, lend_unused());
  borrowed.add_captured(captured);
  return captured;
}

Lent& ThreadLaunchers::lend_unused() {
  if (ended_ >= kMostUnawaited) {
    device_.wait();
    report_ended();
  }
  if (Lent* const lent = lend(/*has_calls=*/false)) {
    return *lent;
  }
  at::Tensor records = empty_records(device_);
  device_.wait_for_room();  // the launcher clears them, under the lock
  const std::lock_guard lock(mutex_);
  return launchers_.emplace_back(device_, programs_, std::move(records));
}

Lent* ThreadLaunchers::lend(bool has_calls) {
  const std::lock_guard lock(mutex_);
  for (Lent& lent : launchers_) {
    if (!lent.is_lent && lent.launcher.invalid_ids.has_calls() == has_calls) {
      lent.is_lent = true;
      ended_ -= has_calls ? 1 : 0;
      return &lent;
    }
  }
  return nullptr;
}

void ThreadLaunchers::give_back(Lent& lent) noexcept {
  const std::lock_guard lock(mutex_);
  lent.is_lent = false;
  ended_ += lent.launcher.invalid_ids.has_calls() ? 1 : 0;
}

void ThreadLaunchers::raise_error() {
  report_ended();
  // All are asked, so that an error is not left for a later wait.
  std::vector<launch::InvalidId> met;
  const auto ask = [&](Lent& lent) {
    if (auto invalid = lent.launcher.invalid_ids.take()) {
      met.push_back(std::move(*invalid));
    }
  };
  if (Lent* const lent = borrowed.find(*this)) {
    ask(*lent);
  }
  for (const auto& replayed : borrowed.take_replayed(*this)) {
    ask(replayed->lease().lent());
  }
  if (!met.empty()) {
    met.front().more_calls |= met.size() > 1;
    TORCH_CHECK_INDEX(false, met.front().message());
  }
}

void ThreadLaunchers::raise_error_of(Lent& lent) {
  if (const auto invalid = lent.launcher.invalid_ids.take()) {
    TORCH_CHECK_INDEX(false, invalid->message());
  }
}

void ThreadLaunchers::report_ended() {
  if (ended_ == 0) {
    return;
  }
  while (Lent* const ended = lend(/*has_calls=*/true)) {
    const Lease lease(*this, *ended);
    report(*ended);
  }
}

void ThreadLaunchers::report_errors() noexcept {
  const std::lock_guard lock(mutex_);
  for (Lent& lent : launchers_) {
    try {
      report(lent);
    } catch (const std::exception&) {
      // A launch has failed; or the device cannot be read any more, as where ttnn has closed it.
    }
  }
}

void ThreadLaunchers::report(Lent& lent) {
  if (const auto invalid = lent.launcher.invalid_ids.take()) {
    backend::report_unraised(device_, "IndexError: " + invalid->message());
  }
}

ThreadLaunchers& launchers_on(backend::TorchDevice& device) {
  return static_cast<ThreadLaunchers&>(
      device.launches([](backend::TorchDevice& opened) { return std::make_unique<ThreadLaunchers>(opened); }));
}

}  // namespace

launch::Launcher& thread_launcher(backend::TorchDevice& device) {
  return launchers_on(device).mine();
}

std::shared_ptr<CapturedCalls> capture_calls(backend::TorchDevice& device) {
  return launchers_on(device).begin_capture();
}

}  // namespace moe::tt
