#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tt/support/str.h"

namespace moe::tt {

// A variable of the environment has a value that cannot be used.
class EnvironmentError : public std::runtime_error {
 public:
  EnvironmentError(const char* name, const std::string& expected, std::string_view value)
      : std::runtime_error(str(name, ": expected ", expected, ", got '", value, "'; correct it or unset it")) {}
};

// The value of a variable of the environment; empty if it is not set.
inline std::string get_env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The value, one of `choices`; `unset` if the variable is not set.
inline std::string get_env_choice(
    const char* name, const char* unset, std::initializer_list<std::string_view> choices) {
  std::string value = get_env(name);
  if (value.empty()) {
    return unset;
  }
  std::string expected;
  for (const std::string_view choice : choices) {
    if (value == choice) {
      return value;
    }
    expected += str(expected.empty() ? "'" : " or '", choice, "'");
  }
  throw EnvironmentError(name, expected, value);
}

// The value, a number from `least` to `most` of what `unit` says; `unset` if the variable is not set.
inline uint64_t get_env_number(const char* name, uint64_t unset, uint64_t least, uint64_t most, const char* unit) {
  const std::string value = get_env(name);
  if (value.empty()) {
    return unset;
  }
  const char* const end = value.data() + value.size();
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end || number < least || number > most) {
    throw EnvironmentError(name, str("a number of ", unit, " from ", least, " to ", most), value);
  }
  return number;
}

}  // namespace moe::tt
