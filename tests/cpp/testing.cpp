#include "testing.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace testing {

namespace {

struct Test {
  std::string name;
  When when;
  void (*run)();
};

std::vector<Test>& tests() {
  static std::vector<Test> tests;
  return tests;
}

int failures = 0;

}  // namespace

Registration::Registration(const char* name, When when, void (*test)()) {
  tests().push_back({name, when, test});
}

void fail(const char* file, int line, const std::string& what) {
  ++failures;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

}  // namespace testing

#if defined(__SANITIZE_THREAD__)
// A kernel that faults is jumped out of from a signal's handler. Later releases of ThreadSanitizer take the thread to
// be in the handler from then on, and report whatever allocates.
extern "C" const char* __tsan_default_options() {
  return "report_signal_unsafe=0";
}
#endif

// Runs the tests that are named, or all but those on demand.
int main(int argc, char** argv) {
  using namespace testing;
  // Under a sanitizer the operators' launches would take ten minutes with all checks, which the plain program makes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const char* checks = "some";
#else
  const char* checks = "all";
#endif
  setenv("TORCH_TT_EMULATED_CHECKS", checks, /*overwrite=*/0);
  std::vector<std::string> names(argv + 1, argv + argc);
  int failed = 0;
  int run = 0;
  for (const Test& test : tests()) {
    if (names.empty() ? test.when != When::kAlways : std::ranges::find(names, test.name) == names.end()) {
      continue;
    }
    failures = 0;
    try {
      test.run();
    } catch (const std::exception& error) {
      fail(test.name.c_str(), 0, error.what());
    }
    ++run;
    failed += failures > 0;
    if (failures > 0) {
      std::fprintf(stderr, "FAILED %s\n", test.name.c_str());
    }
  }
  std::printf("%d tests run, %d failed\n", run, failed);
  return failed > 0 || run == 0;
}
