#include <memory>
#include <utility>

#include "tt/runtime/emulated/chip/chip.h"
#include "tt/runtime/emulated/device.h"
#include "tt/runtime/emulated/execution/checks.h"
#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime {

namespace emulated {
namespace {

class EmulatedRuntime : public Runtime {
 public:
  EmulatedRuntime(Chip chip, const Checks& checks, uint32_t num_devices)
      : chip_(std::move(chip)), checks_(checks), num_devices_(num_devices) {}

  std::string name() const override {
    return "emulated";
  }

  uint32_t device_count() const noexcept override {
    return num_devices_;
  }

  std::unique_ptr<Device> open(uint32_t index) override {
    if (index >= num_devices_) {
      throw DeviceError(
          str("expected an emulated device below ",
              num_devices_,
              ", got ",
              index,
              "; TORCH_TT_EMULATED_DEVICES sets how many there are"));
    }
    return std::make_unique<EmulatedDevice>(chip_, checks_, index);
  }

 private:
  Chip chip_;
  Checks checks_;
  uint32_t num_devices_;
};

}  // namespace
}  // namespace emulated

std::unique_ptr<Runtime> make_emulated_runtime() {
  return std::make_unique<emulated::EmulatedRuntime>(
      emulated::chip_from_environment(),
      emulated::checks_from_environment(),
      emulated::device_count_from_environment());
}

}  // namespace moe::tt::runtime
