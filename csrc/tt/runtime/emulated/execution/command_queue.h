#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace moe::tt::runtime::emulated {

// Runs commands one after another, in the order in which they were given, on a thread of its own.
class CommandQueue {
 public:
  using Command = std::function<void()>;

  CommandQueue();
  // Runs what is left.
  ~CommandQueue();

  // Returns at once. What the command throws is kept for the next wait() or run().
  void enqueue(Command command);

  // Runs a command after everything enqueued before, on this thread if nothing is, and waits for it.
  void run(const Command& command);

  // As run(), but a failure is left for others to find.
  // Returns false, with the command not run, where it would have had to wait.
  bool try_run(const Command& command);

  // Waits for everything enqueued and throws the first failure since the last time one was thrown.
  void wait();

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
