#pragma once

// libtorch_moe_ttnn.so is compiled with -fvisibility=hidden. MOE_API marks what the Python bindings and C++ programs
// use.
#define MOE_API __attribute__((visibility("default")))
