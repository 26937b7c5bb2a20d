#pragma once

// ThreadSanitizer finds races of kernels by the synchronisation that it sees. The emulation's own synchronisation, such
// as the scheduler's mutex, orders kernels too, but a chip has nothing like it. It must be hidden from ThreadSanitizer,
// or a kernel that forgets to synchronise would go unnoticed.

#if defined(__SANITIZE_THREAD__)
#define MOE_TT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MOE_TT_THREAD_SANITIZER 1
#endif
#endif

#if defined(MOE_TT_THREAD_SANITIZER)
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace moe::tt::runtime::emulated {

#if defined(MOE_TT_THREAD_SANITIZER)

inline constexpr bool kThreadSanitizer = true;

class OutOfSanitizersSight {
 public:
  OutOfSanitizersSight() {
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~OutOfSanitizersSight() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  }
  OutOfSanitizersSight(const OutOfSanitizersSight&) = delete;
  OutOfSanitizersSight& operator=(const OutOfSanitizersSight&) = delete;
};

#else

inline constexpr bool kThreadSanitizer = false;

class OutOfSanitizersSight {
 public:
  OutOfSanitizersSight() {}
  ~OutOfSanitizersSight() {}
  OutOfSanitizersSight(const OutOfSanitizersSight&) = delete;
  OutOfSanitizersSight& operator=(const OutOfSanitizersSight&) = delete;
};

#endif

}  // namespace moe::tt::runtime::emulated
