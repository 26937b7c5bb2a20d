// What is left of TT-Metalium's exceptions, in the words that ttnn 0.73.1 uses.

#include <string>

#include "testing.h"
#include "tt/runtime/metal/errors.h"

using moe::tt::runtime::metal::explain;

TEST(an_error_of_tt_metalium_loses_its_place_and_its_backtrace) {
  CHECK_EQ(
      explain(
          "TT_FATAL @ /project/tt_metal/x.cpp:12: a == b\ninfo:\nExpected a to be b\nbacktrace:\n --- f()\n --- g()"),
      "Expected a to be b");
  CHECK_EQ(
      explain(
          "TT_THROW @ /a.cpp:1: tt::exception\ninfo:\nouter TT_THROW @ /b.cpp:2: tt::exception\ninfo:\ninner\n"
          "\nbacktrace:\n --- f()\n\nbacktrace:\n --- g()"),
      "inner");
}

TEST(so_does_one_of_the_driver) {
  CHECK_EQ(explain("No such board\nLocation: /project/umd/a.hpp:234\n 1. f()\n 2. g()\n"), "No such board");
}

TEST(a_message_without_a_frame_stays) {
  CHECK_EQ(explain("  bad file: /a/b.yaml\n"), "bad file: /a/b.yaml");
  CHECK_EQ(explain(""), "");
}

TEST(a_chip_that_does_not_answer_in_time) {
  const std::string advice =
      ". The chip did not answer in time, and what is on it is lost: end this process and reset the chip with "
      "`tt-smi -r`. TT_METAL_OPERATION_TIMEOUT_SECONDS sets how long to wait";
  for (const std::string message :
       {"TIMEOUT: device timeout, potential hang detected, the device is unrecoverable",
        "TIMEOUT: device timeout in fetch queue wait, potential hang detected",
        "Device 0: Timeout (5000 ms) waiting for physical cores to finish: 1-2"}) {
    CHECK_EQ(
        explain("TT_THROW @ /project/tt_metal/x.cpp:1: tt::exception\ninfo:\n" + message + "\nbacktrace:\n --- f()"),
        message + advice);
  }
}

TEST(a_kernel_that_does_not_compile) {
  const std::string compiler =
      "brisc build failed. Log: /k.cpp: In function 'f':\n/k.cpp:75:9: error: 'class Timeout' has no member named 'x'";
  CHECK_EQ(
      explain("TT_THROW @ /project/build.cpp:67: tt::exception\ninfo:\n" + compiler + "\n\nbacktrace:\n --- f()"),
      compiler +
          "\nA kernel does not compile for the chip: check that TT_METAL_RUNTIME_ROOT, if it is set, is of the "
          "TT-Metalium that torch_moe_ttnn was built against, or build torch_moe_ttnn again");
}
