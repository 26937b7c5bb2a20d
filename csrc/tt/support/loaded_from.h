#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace moe::tt {

// The folder of the library or program that an address belongs to, links resolved; empty if it is not known.
inline std::filesystem::path loaded_from(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::filesystem::path() : file.parent_path();
}

}  // namespace moe::tt
