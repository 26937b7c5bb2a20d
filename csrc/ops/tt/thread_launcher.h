#pragma once

#include "tt/backend/device/torch_device.h"
#include "tt/launch/launcher.h"

namespace moe::tt {

// This thread's launcher on the device, which the first call makes. Each thread has one, so that an invalid id is
// raised in the thread whose call has it, whichever waits first. So has each backward pass on each of its threads: an
// id of its calls is raised by the call of backward().
launch::Launcher& thread_launcher(backend::TorchDevice& device);

}  // namespace moe::tt
