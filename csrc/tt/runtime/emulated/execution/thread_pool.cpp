#include "tt/runtime/emulated/execution/thread_pool.h"

#include <system_error>
#include <utility>

#include "tt/runtime/emulated/execution/fault_guard.h"
#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::emulated {

ThreadPool::~ThreadPool() = default;

void ThreadPool::reserve(uint32_t count) {
  while (threads_.size() < count) {
    try {
      threads_.push_back(std::make_unique<Thread>());
    } catch (const std::system_error& error) {
      throw DeviceError(
          str("expected a thread for each of ",
              count,
              " kernels that run at once, got ",
              threads_.size(),
              " from the system (",
              error.what(),
              "); allow this process more threads"));
    }
  }
}

void ThreadPool::run(uint32_t thread, const Work& work) {
  threads_[thread]->run(work);
}

ThreadPool::Thread::Thread() : thread_([this] { loop(); }) {}

ThreadPool::Thread::~Thread() {
  {
    std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ThreadPool::Thread::run(const Work& work) {
  {
    std::scoped_lock lock(mutex_);
    work_ = &work;
  }
  changed_.notify_one();
}

void ThreadPool::Thread::loop() {
  const SignalStack signal_stack;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return work_ != nullptr || closing_; });
    const Work* work = std::exchange(work_, nullptr);
    if (work == nullptr) {
      return;
    }
    lock.unlock();
    (*work)();
    lock.lock();
  }
}

}  // namespace moe::tt::runtime::emulated
