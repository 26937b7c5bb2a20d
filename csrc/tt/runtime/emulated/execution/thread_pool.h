#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace moe::tt::runtime::emulated {

// Threads that live as long as the pool, numbered from 0.
class ThreadPool {
 public:
  using Work = std::function<void()>;

  ThreadPool() = default;
  // Every thread must be idle.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Creates threads until there are `count`. Throws DeviceError if the system has too few, and keeps those created.
  void reserve(uint32_t count);

  // Runs work on an idle thread. The work must not throw. Calls must not overlap.
  void run(uint32_t thread, const Work& work);

  pthread_t handle(uint32_t thread) const {
    return threads_[thread]->handle();
  }

 private:
  class Thread {
   public:
    Thread();
    ~Thread();
    void run(const Work& work);
    pthread_t handle() {
      return thread_.native_handle();
    }

   private:
    void loop();

    std::mutex mutex_;
    std::condition_variable changed_;
    const Work* work_ = nullptr;
    bool closing_ = false;
    std::thread thread_;  // last: it uses the others
  };

  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace moe::tt::runtime::emulated
