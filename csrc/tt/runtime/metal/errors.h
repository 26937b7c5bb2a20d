#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {

// What an exception of TT-Metalium says, without the place in its source and the backtrace around it, and with what to
// do about it where that is known.
std::string explain(std::string_view what);

// Calls TT-Metalium, whose exceptions become DeviceErrors that begin with what was being done.
template <typename Call>
auto translated(const std::string& doing, const Call& call) {
  try {
    return call();
  } catch (const DeviceError&) {
    throw;
  } catch (const std::exception& error) {
    throw DeviceError(str(doing, ": ", explain(error.what())));
  } catch (...) {
    throw DeviceError(str(doing, ": an exception of an unknown type"));
  }
}

}  // namespace moe::tt::runtime::metal
