#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tt/launch/invalid_ids.h"
#include "tt/launch/launch.h"
#include "tt/launch/program_cache.h"
#include "tt/runtime/errors.h"
#include "tt/runtime/runtime.h"

namespace moe::tt::launch {

// What the launches of all operators on one device share. An operator's launch is a function of its own that takes it.
// No torch here: bytes in, bytes out. Each thread has a launcher of its own, with records of its own, so that an
// invalid id is reported to the thread whose call has it; `programs` are the device's.
struct Launcher {
  // `records` are InvalidIds::num_bytes() of device memory.
  Launcher(std::shared_ptr<ProgramCache> programs, const runtime::BufferSpan& records);

  // Makes an operator's call: numbers it, and makes the launches that `plan(invalid_ids)` returns. `tensors` are those
  // of the launches.
  template <typename Plan>
  void call(const Checks& checks, std::span<const Tensor> tensors, const Plan& plan) {
    const kernels::InvalidIdArgs invalid_id_args = invalid_ids.begin_call(checks);
    launch(runtime::with_context(checks.ids.op, [&] { return plan(invalid_id_args); }), tensors);
  }

  const std::shared_ptr<ProgramCache> programs;
  InvalidIds invalid_ids;
  const Target target;

 private:
  void launch(const std::vector<Launch>& launches, std::span<const Tensor> tensors);
};

}  // namespace moe::tt::launch
