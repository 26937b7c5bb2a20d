#pragma once

// As much of a test framework as this program needs.

#include <functional>
#include <sstream>
#include <string>

namespace testing {

// A static object of this type adds a test. One that runs only on demand is run only when it is named.
enum class When { kAlways, kOnDemand };

class Registration {
 public:
  Registration(const char* name, When when, void (*test)());
};

// Reports where and what, and lets the test go on.
void fail(const char* file, int line, const std::string& what);

template <typename A, typename B>
void check_equal(const char* file, int line, const char* expression, const A& given, const B& expected) {
  if (!(given == expected)) {
    std::ostringstream what;
    what << expression << "\n  expected: " << expected << "\n  got:      " << given;
    fail(file, line, what.str());
  }
}

// The message of what a call throws; empty if it throws nothing.
template <typename Error>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace testing

#define TEST_WHEN(name, when)                                                          \
  static void test_##name();                                                           \
  static const ::testing::Registration registration_##name(#name, when, &test_##name); \
  static void test_##name()
#define TEST(name) TEST_WHEN(name, ::testing::When::kAlways)
#define TEST_ON_DEMAND(name) TEST_WHEN(name, ::testing::When::kOnDemand)

#define CHECK(condition) ((condition) ? void() : ::testing::fail(__FILE__, __LINE__, "expected " #condition))
#define CHECK_EQ(given, expected) ::testing::check_equal(__FILE__, __LINE__, #given, given, expected)
#define CHECK_THROWS(error, call, expected) \
  ::testing::check_equal(__FILE__, __LINE__, #call, ::testing::message_of<error>([&] { call; }), std::string(expected))
