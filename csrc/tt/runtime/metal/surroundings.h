#pragma once

#include <filesystem>
#include <string>

namespace moe::tt::runtime::metal {

// Makes TT-Metalium harmless to what is around a process, and the other way round; before the first call of it. Nothing
// is changed where ttnn has it in use, and no variable that the user has set to something that it can use.
//
// - Its build commands pass paths to a shell unquoted, so that a space ends every compilation and `$(…)` is executed:
// it
//   gets links of harmless names to the folders of such names.
// - It writes logs to the working directory, which may not be writable, and through whatever lies there as `generated`:
//   they go to a folder of the user's own.
// - Open MPI, which it starts, ends a process that has no HOME, listens on every network interface and leaves a file in
//   /dev/shm: of one process alone, it is told to do without.
void prepare_surroundings();

// The path, or a link to it whose own path means nothing to a shell. Throws DeviceError where there can be none.
std::filesystem::path harmless_path(const std::filesystem::path& path);

// Why TT-Metalium cannot write compiled kernels where it keeps them, and what to do: a disk is full, or a quota is
// spent. Empty if it can.
std::string cache_failure();

}  // namespace moe::tt::runtime::metal
