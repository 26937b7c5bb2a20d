#pragma once

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
  // Runs the commands that are left.
  ~CommandQueue();

  // Returns at once. The next wait() or run() throws the command's failure.
  void enqueue(Command command);

  // How many commands have been enqueued, and whether so many have ended. Waiting for them throws no failure.
  uint64_t num_enqueued();
  bool has_ended(uint64_t count);
  void wait_for(uint64_t count);

  // Runs a command after all earlier ones and waits for it. It runs on the calling thread if the queue is empty.
  void run(const Command& command);

  // Runs the command if the queue is empty, and returns whether it did. The next wait() or run() throws its failure.
  bool try_run(const Command& command);

  // Waits for all commands. Throws the first failure since the last one that was thrown.
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
