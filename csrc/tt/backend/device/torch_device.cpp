#include "tt/backend/device/torch_device.h"

#include <array>
#include <cstdio>
#include <limits>
#include <utility>

#include <c10/util/Exception.h>
#include <torch/csrc/autograd/graph_task.h>

#include "tt/backend/device/devices.h"
#include "tt/backend/device/interrupts.h"

namespace moe::tt::backend {
namespace {

// Read without a lock. The devices are never destroyed: tensors may outlive every static object of this library.
std::array<std::atomic<TorchDevice*>, std::numeric_limits<c10::DeviceIndex>::max() + 1> opened;
std::mutex opening;          // guards what is below
bool closed = false;         // for good
int openings_elsewhere = 0;  // that have begun and not ended

thread_local int deferred_launch_checks = 0;

}  // namespace

DeferLaunchChecks::DeferLaunchChecks() {
  ++deferred_launch_checks;
}

DeferLaunchChecks::~DeferLaunchChecks() {
  --deferred_launch_checks;
}

TorchDevice::TorchDevice(c10::DeviceIndex index, std::unique_ptr<runtime::Device> device)
    : index_(index), device_(std::move(device)), caching_allocator_(index, *device_) {}

void TorchDevice::check_usable() const {
  check_not_forked();
  TORCH_CHECK(
      !closed_,
      "tt:",
      static_cast<int>(index_),
      lost_ ? " was closed by ttnn, which had opened its chip" : " is closed, for the interpreter is exiting");
  constexpr int kNoPass = -1;
  TORCH_CHECK(
      device_->num_captures() == 0 || torch::autograd::get_current_graph_task_id() == kNoPass,
      "a backward pass cannot use tt:",
      static_cast<int>(index_),
      " while a graph of its launches is captured: do it before the capture or after it");
}

runtime::Device& TorchDevice::runtime_device() {
  check_usable();
  return *device_;
}

Launches& TorchDevice::launches(const std::function<std::unique_ptr<Launches>(TorchDevice&)>& make) {
  std::call_once(launches_made_, [&] { launches_ = make(*this).release(); });
  return *launches_;
}

void TorchDevice::wait() {
  if (deferred_launch_checks == 0) {
    // In its name, not in that of the event that is waited for.
    runtime_device().refuse_in_capture("a copy to the host");
    wait_for_user(
        [this](const runtime::Meanwhile& meanwhile) { runtime_device().wait(runtime_device().record(), meanwhile); });
  }
}

void TorchDevice::wait_for_room() {
  if (deferred_launch_checks == 0 && !runtime_device().has_room()) {
    wait_for_user([this](const runtime::Meanwhile& meanwhile) { runtime_device().wait_for_room(meanwhile); });
  }
}

void TorchDevice::synchronize() {
  wait_for_user([this](const runtime::Meanwhile& meanwhile) {
    runtime_device().synchronize(meanwhile);
    check_launches();
  });
}

void TorchDevice::check_launches() {
  if (deferred_launch_checks > 0) {
    return;
  }
  if (Launches* const made = launches_) {
    made->raise_error();
  }
}

void TorchDevice::close() noexcept {
  if (Launches* const made = launches_) {
    made->report_errors();
  }
  lost_ = chip_use() == runtime::ChipUse::kLost;
  closed_ = true;
  caching_allocator_.abandon();
  device_->close();
}

void report_unraised(const TorchDevice& device, const std::string& error) noexcept {
  std::fprintf(
      stderr,
      "torch_moe_ttnn: tt:%d met an error that no wait of its thread has raised: %s\n",
      static_cast<int>(device.index()),
      error.c_str());
}

TorchDevice& open_device(c10::DeviceIndex index) {
  check_not_forked();
  check_device_index(index);
  const auto find = [index] {
    TorchDevice* device = opened[index];
    return device == nullptr || device->chip_use() == runtime::ChipUse::kLost ? nullptr : device;
  };
  if (TorchDevice* device = find()) {
    return *device;
  }
  const std::lock_guard lock(opening);
  if (TorchDevice* device = find()) {
    return *device;
  }
  TORCH_CHECK(!closed, "cannot open tt:", static_cast<int>(index), ", for the interpreter is exiting");
  runtime::Runtime& runtime = chosen_runtime();
  TORCH_CHECK(
      openings_elsewhere == 0 || runtime.name() == "emulated",
      "cannot open tt:",
      static_cast<int>(index),
      " while ttnn opens a device: wait until it has, and tt will use the same");
  auto* device = new TorchDevice(index, runtime.open(index));
  if (TorchDevice* lost = opened[index].exchange(device)) {
    lost->close();
  }
  watch_for_fork();
  return *device;
}

void begin_opening_elsewhere() {
  const std::lock_guard lock(opening);
  for (const auto& device : opened) {
    TORCH_CHECK(
        device == nullptr || device.load()->chip_use() != runtime::ChipUse::kOwned,
        "ttnn cannot open a device in this process, for tt:",
        static_cast<int>(device.load()->index()),
        " is open with a memory of its own, and each would overwrite the other's tensors. Open the device with ttnn "
        "before the first use of tt, which then uses ttnn's");
  }
  ++openings_elsewhere;
}

void end_opening_elsewhere() {
  const std::lock_guard lock(opening);
  --openings_elsewhere;
}

TorchDevice* find_open_device(c10::DeviceIndex index) noexcept {
  return index < 0 ? nullptr : opened[index].load();
}

TorchDevice* find_device_of(const void* address) noexcept {
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    TorchDevice* device = find_open_device(index);
    if (device != nullptr && device->caching_allocator().contains(address)) {
      return device;
    }
  }
  return nullptr;
}

std::vector<TorchDevice*> open_devices() {
  std::vector<TorchDevice*> devices;
  for (c10::DeviceIndex index = 0; index < device_count(); ++index) {
    if (TorchDevice* device = find_open_device(index)) {
      devices.push_back(device);
    }
  }
  return devices;
}

void synchronize_device(c10::DeviceIndex index) {
  if (TorchDevice* device = find_open_device(device_index_or_current(index))) {
    device->synchronize();
  }
}

void close_devices() noexcept {
  if (in_bad_fork()) {
    return;  // They are the parent's.
  }
  const std::lock_guard lock(opening);
  closed = true;
  for (auto& device : opened) {
    if (device != nullptr) {
      device.load()->close();
    }
  }
}

}  // namespace moe::tt::backend
