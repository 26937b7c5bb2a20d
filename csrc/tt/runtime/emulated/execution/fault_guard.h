#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace moe::tt::runtime::emulated {

// What ended a kernel's function, where it neither returned nor threw.
enum class Fault : uint8_t {
  kNone,
  kAddress,      // an access to host memory that is not there: on the chip, no signal at all
  kStack,        // it needed more than the thread's stack
  kArithmetic,   // an integer was divided by 0
  kInstruction,  // the compiler found that what the kernel does is undefined, and put a trap there
  kStopped,      // the launch had failed, and the kernel went on
};

// Calls a kernel's function, and comes back from it also where the host's processor or a Stopper ends it. What ends it
// jumps: the function's own frames are left as they are. A fault of the emulation itself, or of anything else in this
// process, goes to who handled the signal before.
class FaultGuard {
 public:
  // Installs the handlers of signals, once in a process. A handler that others install later gets the signal first.
  static void install();

  // Calls the function. `stop` says whether a Stopper may end it.
  Fault run(void (*function)(), const std::atomic<bool>& stop);

  // Ends functions whose `stop` says so.
  class Stopper {
   public:
    Stopper();
    ~Stopper();
    Stopper(const Stopper&) = delete;
    Stopper& operator=(const Stopper&) = delete;

    // Ends the function that the thread is in. Nothing happens in a thread that is in none or in the emulation: try
    // again.
    void stop(pthread_t thread) const;
  };

  // The thread is in the emulation as long as one of these lives: it may hold a lock, and must not be stopped there.
  class Inside {
   public:
    explicit Inside(FaultGuard& guard) : guard_(guard) {
      guard_.inside_ = guard_.inside_ + 1;
    }
    ~Inside() {
      guard_.inside_ = guard_.inside_ - 1;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    FaultGuard& guard_;
  };

 private:
  friend struct SignalHandlers;

  sigjmp_buf end_;
  const std::atomic<bool>* stop_ = nullptr;
  volatile int inside_ = 0;  // read in a handler on the same thread
};

// A stack for the handlers of signals on the thread that makes it, for a kernel may have used up its own.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> memory_;
  stack_t previous_;
};

}  // namespace moe::tt::runtime::emulated
