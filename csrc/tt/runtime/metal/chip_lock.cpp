#include "tt/runtime/metal/chip_lock.h"

#include <unistd.h>

#include <umd/device/pcie/pci_device.hpp>
#include <umd/device/utils/lock_manager.hpp>

#include "tt/runtime/runtime.h"
#include "tt/support/str.h"

namespace moe::tt::runtime::metal {

void require_chips_not_in_use(std::chrono::seconds patience) {
  for (const int chip : ::tt::umd::PCIDevice::enumerate_devices()) {
    require_chip_not_in_use(chip, patience);
  }
}

void require_chip_not_in_use(int chip, std::chrono::seconds patience) {
  using ::tt::umd::LockManager;
  using ::tt::umd::MutexType;
  // The lock that TT-Metalium holds for as long as it has the chip open.
  ::tt::umd::RobustMutex lock(
      str(LockManager::MUTEX_TYPE_TO_STRING.at(MutexType::CHIP_IN_USE),
          '_',
          chip,
          '_',
          ::tt::umd::DeviceTypeToString.at(::tt::umd::IODeviceType::PCIe)));
  lock.initialize();
  const auto owner = lock.probe_lock(patience);
  if (!owner) {
    lock.unlock();
  } else if (owner->first != getpid()) {
    throw DeviceError(str(
        "Tenstorrent chip ",
        chip,
        " (/dev/tenstorrent/",
        chip,
        ") is in use by process ",
        owner->first,
        ". Wait for that process or end it, or choose other chips with TT_VISIBLE_DEVICES, which both processes then "
        "need: a process takes all the chips that it sees"));
  }
}

}  // namespace moe::tt::runtime::metal
