#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace moe::tt::runtime::emulated {

// Threads that stay, numbered from 0.
class ThreadPool {
 public:
  using Work = std::function<void()>;

  ThreadPool() = default;
  // Every thread must be idle.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Creates threads until there are so many. Throws where the system has no more, and keeps those it gave.
  void reserve(uint32_t count);

  // Lets an idle thread do something. The work must not throw. Calls must not overlap.
  void run(uint32_t thread, const Work& work);

 private:
  class Thread {
   public:
    Thread();
    ~Thread();
    void run(const Work& work);

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
