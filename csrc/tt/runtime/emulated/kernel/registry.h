#pragma once

#include <string>

namespace moe::tt::runtime::emulated {

using KernelFunction = void (*)();

// The kernel of this name; throws DeviceError, with the names there are, where none was registered.
KernelFunction find_kernel(const std::string& name);

// A static object of this type makes a function known as a kernel.
class KernelRegistration {
 public:
  KernelRegistration(const char* name, KernelFunction function);
};

}  // namespace moe::tt::runtime::emulated
