#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tt/launch/invalid_ids.h"
#include "tt/launch/launch.h"
#include "tt/launch/program_cache.h"
#include "tt/runtime/errors.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// What a thread's launches of all operators on one device share. An operator's launch is a function of its own that
// takes it. No torch here: bytes in, bytes out. The records are the thread's, so that an invalid id is reported to the
// thread whose call has it; `programs` are the device's.
struct Launcher {
  // Makes a launch of the kernel of that name by calling the function, and may look at it.
  using Observer = std::function<void(const std::string& kernel, const std::function<void()>& launch)>;

  // `records` are InvalidIds::num_bytes() of device memory.
  Launcher(std::shared_ptr<ProgramCache> programs, const runtime::BufferSpan& records, Observer observer = &unobserved);

  // Makes an operator's call: numbers it, and makes the launches that `plan(invalid_ids)` returns. `tensors` are those
  // of the launches, the outputs first.
  template <typename Plan>
  void call(const Checks& checks, std::span<const Tensor> tensors, const Plan& plan) {
    const kernels::InvalidIdArgs invalid_id_args = invalid_ids.begin_call(checks);
    launch(runtime::with_context(checks.ids.op, [&] { return plan(invalid_id_args); }), tensors);
  }

  const std::shared_ptr<ProgramCache> programs;
  InvalidIds invalid_ids;
  const Target target;

 private:
  static void unobserved(const std::string& /*kernel*/, const std::function<void()>& launch) {
    launch();
  }

  const Observer observer_;

  void launch(const std::vector<Launch>& launches, std::span<const Tensor> tensors);
};

}  // namespace moe::tt::launch
