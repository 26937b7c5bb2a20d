#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace moe::tt::runtime::emulated {

// Runs commands one at a time, in the order in which they were enqueued, on its own thread.
class CommandQueue {
 public:
  using Command = std::function<void()>;

  CommandQueue();
  ~CommandQueue() {
    close();
  }

  // Runs the commands that are left, and ends the thread. May be called again.
  void close();

  // Returns at once. The command's failure is kept for throw_failure().
  void enqueue(Command command);

  // How many commands have been enqueued, and whether so many have ended: now, or after a wait of that time at most.
  uint64_t num_enqueued();
  bool has_ended(uint64_t count);
  bool wait_for(uint64_t count, std::chrono::milliseconds longest);

  // Throws the first failure since the last one that was thrown.
  void throw_failure();

  // Runs a command after all earlier ones, waits for it and throws as throw_failure(). It runs on the calling thread if
  // the queue is empty.
  void run(const Command& command);

  // Runs the command if the queue is empty, and returns whether it did. Its failure is kept for throw_failure().
  bool try_run(const Command& command);

 private:
  void work();
  void execute(std::unique_lock<std::mutex>& lock, Command command);
  void throw_failure(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command> commands_;
  bool busy_ = false;
  uint64_t ended_ = 0;  // commands
  bool closing_ = false;
  std::exception_ptr failure_;
  std::thread worker_;  // last: it uses the others
};

}  // namespace moe::tt::runtime::emulated
