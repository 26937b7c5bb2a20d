#include "tt/runtime/emulated/execution/fault_guard.h"

#include <exception>
#include <mutex>

#include "tt/runtime/emulated/execution/tsan.h"

namespace moe::tt::runtime::emulated {

namespace {

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

// Ignored where it has no handler, so that one that comes late does no harm.
constexpr int kStop = SIGURG;

constexpr size_t kSignalStackSize = 64 * 1024;

// How far from the lowest address of a stack an access is one that the stack had no more room for.
constexpr uintptr_t kNearStack = 64 * 1024;

struct sigaction previous_faults[NSIG];
struct sigaction previous_stop;
std::mutex stoppers_mutex;
uint32_t num_stoppers = 0;

// The guard that the thread is in. Of the initial-exec model, so that the handler does not allocate where a thread that
// never ran a kernel has crashed within malloc.
[[gnu::tls_model("initial-exec")]] constinit thread_local FaultGuard* current = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local uintptr_t lowest_of_stack = 0;

uintptr_t find_lowest_of_stack() {
  pthread_attr_t attributes;
  void* lowest = nullptr;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
  }
  return reinterpret_cast<uintptr_t>(lowest);
}

Fault fault_of(int signal, const siginfo_t& info) {
  switch (signal) {
    case SIGFPE:
      return Fault::kArithmetic;
    case SIGILL:
    case SIGTRAP:
      return Fault::kInstruction;
    default: {
      const auto address = reinterpret_cast<uintptr_t>(info.si_addr);
      return address - (lowest_of_stack - kNearStack) < 2 * kNearStack ? Fault::kStack : Fault::kAddress;
    }
  }
}

}  // namespace

struct SignalHandlers {
  static void on_fault(int signal, siginfo_t* info, void*) {
    FaultGuard* guard = current;
    if (guard != nullptr && guard->inside_ == 0 && info->si_code > 0) {
      siglongjmp(guard->end_, static_cast<int>(fault_of(signal, *info)));
    }
    // Whoever handled the signal before gets it: the instruction faults again.
    sigaction(signal, &previous_faults[signal], nullptr);
    if (info->si_code <= 0) {
      raise(signal);
    }
  }

  static void on_stop(int, siginfo_t*, void*) {
    FaultGuard* guard = current;
    if (guard != nullptr && guard->inside_ == 0 && guard->stop_->load(std::memory_order_relaxed) &&
        std::uncaught_exceptions() == 0) {
      siglongjmp(guard->end_, static_cast<int>(Fault::kStopped));
    }
  }

  static void handle(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction* previous) {
    struct sigaction action{};
    action.sa_sigaction = handler;
    // A handler that jumps leaves the mask as it is.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, previous);
  }
};

void FaultGuard::install() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (const int signal : kFaults) {
      SignalHandlers::handle(signal, SignalHandlers::on_fault, &previous_faults[signal]);
    }
  });
}

// The handler is there only as long as it is needed: the signal may have another use in this process.
FaultGuard::Stopper::Stopper() {
  std::scoped_lock lock(stoppers_mutex);
  if (num_stoppers++ == 0) {
    SignalHandlers::handle(kStop, SignalHandlers::on_stop, &previous_stop);
  }
}

FaultGuard::Stopper::~Stopper() {
  std::scoped_lock lock(stoppers_mutex);
  if (--num_stoppers == 0) {
    sigaction(kStop, &previous_stop, nullptr);
  }
}

void FaultGuard::Stopper::stop(pthread_t thread) const {
  pthread_kill(thread, kStop);
}

Fault FaultGuard::run(void (*function)(), const std::atomic<bool>& stop) {
  if (lowest_of_stack == 0) {
    lowest_of_stack = find_lowest_of_stack();
  }
  stop_ = &stop;
  inside_ = 0;
  // What jumps back here leaves the mask of signals alone, which would cost a system call to keep. ThreadSanitizer's
  // own handler, from which ours is called, blocks them all.
  const auto fault = static_cast<Fault>(sigsetjmp(end_, /*savemask=*/kThreadSanitizer));
  if (fault == Fault::kNone) {
    current = this;
    try {
      function();
    } catch (...) {
      current = nullptr;
      throw;
    }
  }
  current = nullptr;
  return fault;
}

SignalStack::SignalStack() : memory_(std::make_unique<std::byte[]>(kSignalStackSize)) {
  stack_t stack{};
  stack.ss_sp = memory_.get();
  stack.ss_size = kSignalStackSize;
  sigaltstack(&stack, &previous_);
}

SignalStack::~SignalStack() {
  sigaltstack(&previous_, nullptr);
}

}  // namespace moe::tt::runtime::emulated
