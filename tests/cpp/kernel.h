#pragma once

// Defines a small kernel under a name of its own: TEST_KERNEL(name) { ... }

#include "api/dataflow/dataflow_api.h"
#include "tt/runtime/emulated/kernel/registry.h"

#define TEST_KERNEL(name)                                                                          \
  static void name();                                                                              \
  static const ::moe::tt::runtime::emulated::KernelRegistration registration_##name(#name, &name); \
  static void name()
