#pragma once

namespace moe::tt::runtime::metal {

// Throws DeviceError where the TT-Metalium of this process is of another release than the one that this library was
// built with. A process has one libtt_metal.so, that of whoever came first, as ttnn; the names of what it exports
// hardly change, but what is behind them does: nothing of it may be called before.
void require_built_release();

}  // namespace moe::tt::runtime::metal
