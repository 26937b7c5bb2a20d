#pragma once

#include <sstream>
#include <string>

namespace moe::tt {

// A message from its parts. (<format> is not in every standard library this is built with.)
template <typename... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

}  // namespace moe::tt
