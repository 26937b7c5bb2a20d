#pragma once

// Makes a kernel's source file part of the emulated device. A file of its own in csrc/tt/launch/emulated says
//
//   #include "tt/runtime/emulated/register_kernel.h"
//   #include "tt/kernels/NAME.cpp"
//   MOE_TT_REGISTER_KERNEL(NAME);
//
// Every such source defines kernel_main(); declared static first, each stays within its translation unit. Its helpers
// must do so too, by an unnamed namespace.

#include "api/dataflow/dataflow_api.h"
#include "tt/runtime/emulated/kernel/registry.h"

static void kernel_main();

#define MOE_TT_REGISTER_KERNEL(name) \
  static const ::moe::tt::runtime::emulated::KernelRegistration kernel_registration(#name, &kernel_main)
