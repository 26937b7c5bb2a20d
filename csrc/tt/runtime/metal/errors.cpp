#include "tt/runtime/metal/errors.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace moe::tt::runtime::metal {
namespace {

struct Advice {
  std::string_view sign;  // in lower case
  std::string_view advice;
};

// The first that fits: a compiler may speak of anything.
constexpr std::array kAdvice{
    Advice{
        "build failed",
        "A kernel does not compile for the chip: check that TT_METAL_RUNTIME_ROOT, if it is set, is of the TT-Metalium "
        "that torch_moe_ttnn was built against, or build torch_moe_ttnn again"},
    Advice{
        "timeout",
        "The chip did not answer in time, and what is on it is lost: end this process and reset the chip with "
        "`tt-smi -r`. TT_METAL_OPERATION_TIMEOUT_SECONDS sets how long to wait"},
    Advice{
        "timed out",
        "The chip did not answer in time, and what is on it is lost: end this process and reset the chip with "
        "`tt-smi -r`. TT_METAL_OPERATION_TIMEOUT_SECONDS sets how long to wait"},
    Advice{
        "not found in control plane chip mapping",
        "A process of TT-Metalium uses chips that Ethernet connects with each other, and these are not: let it see "
        "those that are, as with TT_VISIBLE_DEVICES=0, and use another process for the others"},
    Advice{
        "allocated for trace region",
        "Open the device with a larger trace_region_size, or with 0: then traces take their memory from the rest of "
        "DRAM"},
    Advice{"root directory is not set", "Set TT_METAL_RUNTIME_ROOT to the folder of TT-Metalium that holds tt_metal/"},
    Advice{
        "sfpi not found",
        "TT-Metalium's kernel compiler is not installed: install Tenstorrent's sfpi package, or set "
        "TT_METAL_RUNTIME_ROOT to a TT-Metalium that has it in runtime/sfpi"},
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// "TT_FATAL @ file:line: condition\ninfo:\nmessage\nbacktrace:\n…", where the message may be of that form again: then
// the innermost one. The user-mode driver's are "message\nLocation: file:line\n 1. frame\n…".
std::string_view message_in(std::string_view what) {
  constexpr std::string_view kInfo = "info:\n";
  what = what.substr(0, what.find("\nbacktrace:"));
  what = what.substr(0, what.find("\nLocation: "));
  if (const size_t info = what.rfind(kInfo); info != what.npos) {
    what.remove_prefix(info + kInfo.size());
  }
  return trimmed(what);
}

}  // namespace

std::string explain(std::string_view what) {
  std::string message(message_in(what));
  std::string lower = message;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [sign, advice] : kAdvice) {
    if (lower.find(sign) != lower.npos) {
      return str(message, message.ends_with('.') ? " " : message.find('\n') != message.npos ? "\n" : ". ", advice);
    }
  }
  return message;
}

}  // namespace moe::tt::runtime::metal
