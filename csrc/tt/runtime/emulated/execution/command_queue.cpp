#include "tt/runtime/emulated/execution/command_queue.h"

#include <utility>

namespace moe::tt::runtime::emulated {

CommandQueue::CommandQueue() : worker_([this] { work(); }) {}

void CommandQueue::close() {
  {
    std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) {
    worker_.join();
  }
}

bool CommandQueue::wait_for_room(std::chrono::milliseconds longest) {
  if (has_room_) {
    return true;
  }
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, longest, [this] { return has_room_.load(); });
}

void CommandQueue::enqueue(Command command, uint64_t bytes) {
  {
    std::scoped_lock lock(mutex_);
    commands_.push_back({std::move(command), bytes});
    bytes_ += bytes;
    look_for_room();
  }
  changed_.notify_all();
}

uint64_t CommandQueue::num_enqueued() {
  std::scoped_lock lock(mutex_);
  return ended_ + busy_ + commands_.size();
}

bool CommandQueue::has_ended(uint64_t count) {
  std::scoped_lock lock(mutex_);
  return ended_ >= count;
}

bool CommandQueue::wait_for(uint64_t count, std::chrono::milliseconds longest) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, longest, [&] { return ended_ >= count; });
}

void CommandQueue::throw_failure() {
  std::unique_lock lock(mutex_);
  throw_failure(lock);
}

void CommandQueue::run(const Command& command) {
  std::unique_lock lock(mutex_);
  if (commands_.empty() && !busy_) {
    execute(lock, [&] { command(); });
  } else {
    // Other threads may enqueue more commands. This call does not wait for those.
    uint64_t ticket = ended_ + busy_ + commands_.size();
    commands_.push_back({[&] { command(); }, 0});
    changed_.notify_all();
    changed_.wait(lock, [&] { return ended_ > ticket; });
  }
  throw_failure(lock);
}

bool CommandQueue::try_run(const Command& command) {
  std::unique_lock lock(mutex_);
  if (!commands_.empty() || busy_) {
    return false;
  }
  execute(lock, [&] { command(); });
  return true;
}

void CommandQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !busy_ && (!commands_.empty() || closing_); });
    if (commands_.empty()) {
      return;
    }
    Enqueued first = std::move(commands_.front());
    commands_.pop_front();
    look_for_room();
    execute(lock, std::move(first.command));
    bytes_ -= first.bytes;
    look_for_room();
  }
}

void CommandQueue::execute(std::unique_lock<std::mutex>& lock, Command command) {
  busy_ = true;
  lock.unlock();
  std::exception_ptr failure;
  try {
    command();
  } catch (...) {
    failure = std::current_exception();
  }
  command = nullptr;  // releases what it captured before its completion is announced
  lock.lock();
  if (failure && !failure_) {
    failure_ = failure;
  }
  busy_ = false;
  ++ended_;
  changed_.notify_all();
}

void CommandQueue::look_for_room() {
  const bool has_room = commands_.size() < kMostCommands && bytes_ < kMostBytes;
  if (!has_room_.exchange(has_room) && has_room) {
    changed_.notify_all();
  }
}

void CommandQueue::throw_failure(std::unique_lock<std::mutex>& lock) {
  if (std::exception_ptr failure = std::exchange(failure_, nullptr)) {
    lock.unlock();
    std::rethrow_exception(failure);
  }
}

}  // namespace moe::tt::runtime::emulated
