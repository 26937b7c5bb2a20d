#pragma once

#include <memory>

#include "tt/backend/device/torch_device.h"
#include "tt/launch/launcher.h"

namespace moe::tt {

// This thread's launcher on the device, which the first call makes. Each thread has one, so that an invalid id is
// raised in the thread whose call has it, whichever waits first. So has each backward pass on each of its threads: an
// id of its calls is raised by the call of backward().
launch::Launcher& thread_launcher(backend::TorchDevice& device);

// The calls of a graph, whose invalid ids have a place of their own: replays leave them there whichever thread makes
// them, and whoever has the launcher of the one that captured.
class CapturedCalls {
 public:
  virtual ~CapturedCalls() = default;

  // What was called since belongs to the graph; belongs behind the capture.
  virtual void end_capture() = 0;
  // Belongs before each replay: this thread's next wait raises what the replay finds. That of several replays raises
  // one.
  virtual void begin_replay() = 0;
};

// Makes calls of this thread on the device those of a graph, as long as the thread captures. Belongs before the
// capture, for it writes to the device.
std::shared_ptr<CapturedCalls> capture_calls(backend::TorchDevice& device);

}  // namespace moe::tt
