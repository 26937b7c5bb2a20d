#pragma once

#include <cstdlib>
#include <string>

namespace moe::tt {

// The value of a variable of the environment; empty if it is not set.
inline std::string get_env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace moe::tt
