#include <chrono>
#include <memory>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/event.h"
#include "tt/backend/device/torch_device.h"
#include "tt/backend/register.h"

namespace moe::tt::backend {
namespace {

const Event& event_at(void* event) {
  return *static_cast<const Event*>(event);
}

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
    TorchDevice* const device = find_open_device(stream.device_index());
    return device == nullptr || device->runtime_device().query();
  }

  void synchronizeStream(const c10::Stream& stream) const override {
    synchronize_device(stream.device_index());
  }

  void synchronizeDevice(c10::DeviceIndex index) const override {
    synchronize_device(index);
  }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex index, c10::EventFlag flag) const override {
    TORCH_CHECK(
        index == -1 || index == stream.device_index(),
        "expected an event of tt:",
        static_cast<int>(stream.device_index()),
        ", whose stream is to record it, got one of tt:",
        static_cast<int>(index));
    auto recorded = std::make_unique<Event>(stream.device_index(), flag == c10::EventFlag::BACKEND_DEFAULT);
    destroyEvent(*event, index);
    *event = recorded.release();
  }

  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(event);
  }

  // A queue is in order by itself. It cannot wait for another device's queue, so the host does.
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr && event_at(event).device() != stream.device_index()) {
      event_at(event).wait();
    }
  }

  bool queryEvent(void* event) const override {
    return event == nullptr || event_at(event).has_ended();
  }

  void synchronizeEvent(void* event) const override {
    if (event != nullptr) {
      event_at(event).synchronize();
    }
  }

  double elapsedTime(void* first, void* second, c10::DeviceIndex) const override {
    TORCH_CHECK(
        first != nullptr && second != nullptr, "expected two events that were recorded, got one that was not yet");
    return std::chrono::duration<double, std::milli>(event_at(second).time() - event_at(first).time()).count();
  }
};

}  // namespace

const c10::impl::DeviceGuardImplInterface* guard() {
  static const auto* const instance = new Guard;
  return instance;
}

}  // namespace moe::tt::backend
