#include "tt/runtime/metal/release.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <tt-metalium/host_api.hpp>

#include "tt/runtime/errors.h"
#include "tt/runtime/metal/metalium.h"
#include "tt/support/loaded_from.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {
namespace {

// What setup.py found in the prefix that it built with; empty where that says nothing.
constexpr std::string_view kBuiltRelease = MOE_TT_METALIUM_RELEASE;
constexpr std::string_view kBuiltId = MOE_TT_METALIUM_BUILD_ID;

const void* in_metalium() {
  return reinterpret_cast<const void*>(&metalium::CreateProgram);
}

// The GNU build id, in hexadecimal digits, among the notes of a segment; empty if it is not there.
std::string build_id_in(const std::byte* notes, size_t size) {
  constexpr auto aligned = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
  for (size_t offset = 0; offset + sizeof(ElfW(Nhdr)) <= size;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + offset, sizeof note);
    const size_t name = offset + sizeof note;
    const size_t content = name + aligned(note.n_namesz);
    offset = content + aligned(note.n_descsz);
    if (offset <= size && note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
        std::memcmp(notes + name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
      std::string id;
      for (size_t i = 0; i < note.n_descsz; ++i) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto byte = static_cast<uint8_t>(notes[content + i]);
        id += {kDigits[byte / 16], kDigits[byte % 16]};
      }
      return id;
    }
  }
  return "";
}

// The build id of the library that an address belongs to.
std::string loaded_build_id(const void* address) {
  struct Search {
    uintptr_t address;
    std::string id;
  } search{reinterpret_cast<uintptr_t>(address), ""};
  dl_iterate_phdr(
      [](dl_phdr_info* library, size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        bool found = false;
        std::string id;
        for (const auto* segment = library->dlpi_phdr; segment < library->dlpi_phdr + library->dlpi_phnum; ++segment) {
          const uintptr_t begin = library->dlpi_addr + segment->p_vaddr;
          if (segment->p_type == PT_LOAD) {
            found = found || (search.address >= begin && search.address - begin < segment->p_memsz);
          } else if (segment->p_type == PT_NOTE && id.empty()) {
            id = build_id_in(reinterpret_cast<const std::byte*>(begin), segment->p_memsz);
          }
        }
        if (found) {
          search.id = id;
        }
        return found ? 1 : 0;
      },
      &search);
  return search.id;
}

// The release of the TT-Metalium whose libraries are in a folder, as setup.py finds it too: a ttnn wheel is installed
// with its metadata, TT-Metalium itself with a description for CMake. Empty where there is neither.
std::string release_in(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "../../..", error)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kBegin = "ttnn-";
    constexpr std::string_view kEnd = ".dist-info";
    if (name.starts_with(kBegin) && name.ends_with(kEnd)) {
      return name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
    }
  }
  std::ifstream description(folder / "cmake/tt-metalium/tt-metalium-config-version.cmake");
  for (std::string line; std::getline(description, line);) {
    constexpr std::string_view kBegin = "set(PACKAGE_VERSION \"";
    if (line.starts_with(kBegin)) {
      return line.substr(kBegin.size(), line.find('"', kBegin.size()) - kBegin.size());
    }
  }
  return "";
}

std::string described(std::string_view release, std::string_view id) {
  return str(release.empty() ? "of an unknown release" : release, " (build ", id.empty() ? "unknown" : id, ")");
}

}  // namespace

void require_built_release() {
  const std::string id = loaded_build_id(in_metalium());
  if (!id.empty() && id == kBuiltId) {
    return;
  }
  // Another build: of the same release, as for another version of Python, it is the same to us.
  const auto folder = loaded_from(in_metalium());
  const std::string release = release_in(folder);
  if (!release.empty() && release == kBuiltRelease) {
    return;
  }
  throw DeviceError(
      str("the metal runtime of torch_moe_ttnn was built with TT-Metalium ",
          described(kBuiltRelease, kBuiltId),
          ", but the one in this process is ",
          described(release, id),
          ", from ",
          folder.string(),
          ": TT-Metalium was updated since, or another package, as ttnn, has brought its own. Build torch_moe_ttnn "
          "again with that one, install ttnn of the release that it was built with, or set TORCH_TT_RUNTIME=emulated "
          "for the emulated device"));
}

}  // namespace moe::tt::runtime::metal
