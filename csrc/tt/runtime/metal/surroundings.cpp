#include "tt/runtime/metal/surroundings.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include "tt/runtime/runtime.h"
#include "tt/support/environment.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

constexpr const char* kCacheVariable = "TT_METAL_CACHE";
constexpr const char* kLogsVariable = "TT_METAL_LOGS_PATH";

bool is_harmless(const std::filesystem::path& path) {
  constexpr const char* kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@%=:,";
  return path.native().find_first_not_of(kCharacters) == std::string::npos;
}

// A folder for this user alone, of a harmless path: others may write to where it is, but not into it.
std::filesystem::path own_folder() {
  std::error_code error;
  auto parent = std::filesystem::temp_directory_path(error);
  if (error || !is_harmless(parent)) {
    parent = "/tmp";
  }
  auto folder = parent / str("torch_moe_ttnn-", geteuid());
  mkdir(folder.c_str(), S_IRWXU);  // it may be there
  struct stat status{};
  if (lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw DeviceError(str(
        "expected ",
        folder.string(),
        " to be a folder that this user alone can write to, for links to folders whose names a shell would take "
        "apart and for TT-Metalium's logs; it is not, or cannot be made: remove it, or set TMPDIR to another folder"));
  }
  return folder;
}

// Not of the standard library's hash, which may differ from build to build: kernels that were compiled are found again.
std::string hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const unsigned char c : text) {
    hash = (hash ^ c) * 0x100000001b3;
  }
  return str(hash);
}

void set_variable(const char* name, const std::string& value) {
  setenv(name, value.c_str(), /*overwrite=*/1);
}

void find_home() {
  if (!get_env("HOME").empty()) {
    return;
  }
  const passwd* const user = getpwuid(geteuid());
  std::error_code error;
  const bool has_home = user != nullptr && std::filesystem::is_directory(user->pw_dir, error);
  set_variable("HOME", has_home ? user->pw_dir : own_folder().string());
}

std::filesystem::path cache_folder() {
  const std::filesystem::path cache = get_env(kCacheVariable);
  return std::filesystem::absolute(cache.empty() ? std::filesystem::path(get_env("HOME")) / ".cache" : cache);
}

// Writes as much as a kernel takes, and takes it away again; returns what went wrong, or 0.
int try_to_write(const std::filesystem::path& folder) {
  constexpr size_t kSize = 1024 * 1024;
  std::string name = folder / "torch_moe_ttnn.XXXXXX";
  const int file = mkstemp(name.data());
  if (file < 0) {
    return errno;
  }
  unlink(name.c_str());
  const std::string bytes(kSize, ' ');
  int error = 0;
  for (size_t size = 0; size < kSize && error == 0;) {
    const ssize_t written = write(file, bytes.data(), kSize - size);
    if (written >= 0) {
      size += written;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  close(file);
  return error;
}

void find_cache() {
  const std::filesystem::path cache = cache_folder();
  if (!is_harmless(cache)) {
    std::error_code error;
    std::filesystem::create_directories(cache, error);
    if (error) {
      throw EnvironmentError(
          kCacheVariable, str("a folder that can be written to (", error.message(), ")"), cache.string());
    }
    set_variable(kCacheVariable, harmless_path(cache).string());
  }
}

void find_logs() {
  if (get_env(kLogsVariable).empty()) {
    set_variable(kLogsVariable, (own_folder() / "logs").string());
  }
}

// Processes that mpirun started talk to each other.
void keep_open_mpi_to_itself() {
  constexpr const char* kTransports = "OMPI_MCA_btl";
  if (get_env("OMPI_COMM_WORLD_SIZE").empty() && get_env("PMIX_RANK").empty() && get_env(kTransports).empty()) {
    set_variable(kTransports, "self");
  }
}

}  // namespace

std::filesystem::path harmless_path(const std::filesystem::path& given) {
  if (is_harmless(given)) {
    return given;
  }
  const auto path = std::filesystem::absolute(given);
  const auto folder = own_folder();
  const auto link = folder / hash_of(path.native());
  std::error_code error;
  if (std::filesystem::read_symlink(link, error) == path) {
    return link;
  }
  // Under another name first: another process may be about to do the same.
  const auto made = folder / str(hash_of(path.native()), '.', getpid());
  std::filesystem::remove(made, error);
  std::filesystem::create_directory_symlink(path, made, error);
  if (!error) {
    std::filesystem::rename(made, link, error);
  }
  if (error) {
    throw DeviceError(
        str("TT-Metalium passes paths to a shell unquoted, so that ",
            path.string(),
            " needs a link of another name, which cannot be made in ",
            folder.string(),
            ": ",
            error.message()));
  }
  return link;
}

std::string cache_failure() {
  const auto folder = cache_folder();
  const int error = try_to_write(folder);
  return error == 0 ? ""
                    : str("cannot write to ",
                          folder.string(),
                          ", where TT-Metalium keeps compiled kernels: ",
                          std::system_category().message(error),
                          ". Make room there, or set ",
                          kCacheVariable,
                          " to another folder");
}

void prepare_surroundings() {
  find_home();
  find_cache();
  find_logs();
  keep_open_mpi_to_itself();
}

}  // namespace moe::tt::runtime::metal
