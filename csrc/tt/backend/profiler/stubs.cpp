// torch.autograd.profiler.profile(use_device="tt", use_kineto=False): the profiler records an event at the beginning
// and at the end of each operator and launch, and what lies between them in the queue is its time on the device.

#include <chrono>
#include <functional>
#include <memory>

#include <torch/csrc/profiler/stubs/base.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/event.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/register.h"

namespace moe::tt::backend {
namespace {

using torch::profiler::impl::ProfilerStubs;
using torch::profiler::impl::ProfilerVoidEventStub;

class Stubs final : public ProfilerStubs {
 public:
  bool enabled() const override {
    return true;
  }

  void record(c10::DeviceIndex* device, ProfilerVoidEventStub* event, int64_t* cpu_ns) const override {
    const c10::DeviceIndex index = current_device();
    if (device != nullptr) {
      *device = index;
    }
    *event = std::make_shared<Event>(index, /*timed=*/true);
    if (cpu_ns != nullptr) {
      *cpu_ns = std::chrono::nanoseconds(Event::Clock::now().time_since_epoch()).count();
    }
  }

  // In microseconds.
  float elapsed(const ProfilerVoidEventStub* first, const ProfilerVoidEventStub* second) const override {
    const auto time = [](const ProfilerVoidEventStub* event) {
      return static_cast<const Event*>(event->get())->time();
    };
    return std::chrono::duration<float, std::micro>(time(second) - time(first)).count();
  }

  // Raises no error of a launch, which is not the profiler's.
  void synchronize() const override {
    for (TorchDevice* device : open_devices()) {
      Event(device->index(), /*timed=*/false).wait();
    }
  }

  void onEachDevice(std::function<void(int)> call) const override {
    const c10::DeviceIndex before = current_device();
    for (TorchDevice* device : open_devices()) {
      exchange_current_device(device->index());
      call(device->index());
    }
    exchange_current_device(before);
  }

  // Marks are for the tools of a vendor, of which there is none here.
  void mark(const char*) const override {}
  void rangePush(const char*) const override {}
  void rangePop() const override {}
};

}  // namespace

void register_profiler_stubs() {
  static auto* const stubs = new Stubs;
  torch::profiler::impl::registerPrivateUse1Methods(stubs);
}

}  // namespace moe::tt::backend
