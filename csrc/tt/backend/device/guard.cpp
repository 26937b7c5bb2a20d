#include <chrono>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/register.h"

namespace moe::tt::backend {
namespace {

// A place in a device's queue. The queue cannot mark a place, so waiting for an event waits for the whole queue.
struct Event {
  c10::DeviceIndex device;
  bool timed;
  std::chrono::steady_clock::time_point time;
};

// PyTorch's view of devices, streams and events. A device has one in-order queue, hence one stream: a request for a new
// stream returns it too.
class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override {
    return c10::kPrivateUse1;
  }

  c10::Device exchangeDevice(c10::Device device) const override {
    check_device_index(device.index());
    return {c10::kPrivateUse1, exchange_current_device(device.index())};
  }

  c10::Device getDevice() const override {
    return {c10::kPrivateUse1, current_device()};
  }

  void setDevice(c10::Device device) const override {
    exchangeDevice(device);
  }

  void uncheckedSetDevice(c10::Device device) const noexcept override {
    exchange_current_device(device.index());
  }

  c10::DeviceIndex deviceCount() const noexcept override {
    return device_count();
  }

  c10::DeviceCapability getDeviceCapability(c10::Device) const override {
    return {};  // Memory takes any dtype.
  }

  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, {c10::kPrivateUse1, device_index_or_current(device.index())});
  }

  c10::Stream getDefaultStream(c10::Device device) const override {
    return getStream(device);
  }

  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return getStream(device);
  }

  c10::Stream getNewStream(c10::Device device, int) const override {
    return getStream(device);
  }

  c10::Stream exchangeStream(c10::Stream stream) const override {
    return getStream(stream.device());
  }

  bool queryStream(const c10::Stream& stream) const override {
    synchronize_device(stream.device_index());
    return true;
  }

  void synchronizeStream(const c10::Stream& stream) const override {
    synchronize_device(stream.device_index());
  }

  void synchronizeDevice(c10::DeviceIndex index) const override {
    synchronize_device(index);
  }

  // Recording an event that measures time waits for the queue: the device keeps no clock of its own.
  void record(void** event, const c10::Stream& stream, c10::DeviceIndex index, c10::EventFlag flag) const override {
    TORCH_CHECK(
        index == -1 || index == stream.device_index(),
        "expected an event of tt:",
        static_cast<int>(stream.device_index()),
        ", whose stream is to record it, got one of tt:",
        static_cast<int>(index));
    const bool timed = flag == c10::EventFlag::BACKEND_DEFAULT;
    if (timed) {
      synchronize_device(stream.device_index());
    }
    auto* const recorded = new Event{stream.device_index(), timed, std::chrono::steady_clock::now()};
    destroyEvent(*event, index);
    *event = recorded;
  }

  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(event);
  }

  void block(void* event, const c10::Stream& stream) const override {
    // A queue is in order by itself. It cannot wait for another device's queue, so the host does.
    if (event != nullptr && static_cast<Event*>(event)->device != stream.device_index()) {
      synchronizeEvent(event);
    }
  }

  bool queryEvent(void* event) const override {
    synchronizeEvent(event);
    return true;
  }

  void synchronizeEvent(void* event) const override {
    if (event != nullptr) {
      synchronize_device(static_cast<Event*>(event)->device);
    }
  }

  double elapsedTime(void* first, void* second, c10::DeviceIndex) const override {
    TORCH_CHECK(
        first != nullptr && second != nullptr, "expected two events that were recorded, got one that was not yet");
    const auto& start = *static_cast<Event*>(first);
    const auto& end = *static_cast<Event*>(second);
    TORCH_CHECK(
        start.timed && end.timed,
        "expected two events that measure time, got one made without torch.Event(enable_timing=True)");
    return std::chrono::duration<double, std::milli>(end.time - start.time).count();
  }
};

}  // namespace

const c10::impl::DeviceGuardImplInterface* guard() {
  static const auto* const instance = new Guard;
  return instance;
}

}  // namespace moe::tt::backend
