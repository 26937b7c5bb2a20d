#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace moe::tt::runtime::emulated {

// Runs commands one at a time, in the order in which they were enqueued, on its own thread. Commands enqueue nothing.
class CommandQueue {
 public:
  using Command = std::function<void()>;

  // What may be enqueued and not ended for more to be enqueued: commands, and bytes that they hold.
  static constexpr size_t kMostCommands = 16384;
  static constexpr uint64_t kMostBytes = uint64_t{256} << 20;

  CommandQueue();
  ~CommandQueue() {
    close();
  }

  // Runs the commands that are left, and ends the thread. May be called again.
  void close();

  // Whether there is less than that, now or after a wait of that time at most. Belongs before what enqueues; a queue
  // with room takes as much as comes.
  bool wait_for_room(std::chrono::milliseconds longest);

  // Returns at once. The command's failure is kept for throw_failure(). It holds so many bytes of the host's until it
  // has ended.
  void enqueue(Command command, uint64_t bytes = 0);

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
  struct Enqueued {
    Command command;
    uint64_t bytes;
  };

  void work();
  void look_for_room();
  void execute(std::unique_lock<std::mutex>& lock, Command command);
  void throw_failure(std::unique_lock<std::mutex>& lock);

  std::atomic<bool> has_room_ = true;  // read without the lock, at each launch
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Enqueued> commands_;
  uint64_t bytes_ = 0;  // that the commands hold, those of the one that runs too
  bool busy_ = false;
  uint64_t ended_ = 0;  // commands
  bool closing_ = false;
  std::exception_ptr failure_;
  std::thread worker_;  // last: it uses the others
};

}  // namespace moe::tt::runtime::emulated
